"""Stack traces for readers: which of their lines are the program's own. Pure."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

_FRAME: Final = re.compile(r'[ |]*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_LIBRARY: Final = re.compile(r"<|.*/(site-packages|dist-packages)/|.*/lib/python3\.\d+/")


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that belong together; ``own`` where they are a frame of the program's own."""

    text: str
    own: bool


def marked(stacktrace: str, frames: Sequence[str]) -> list[Part]:
    """Split a trace as Python prints it; without ``frames``, what lies in no library is the program's own."""
    parts: list[Part] = []
    # By their files: the frames are those of the last exception of a chain, and its causes are in the trace.
    files = {frame.rpartition(" in ")[0].rpartition(":")[0] for frame in frames} - {""}
    own = False
    for line in stacktrace.splitlines(keepends=True):
        frame = _FRAME.match(line.rstrip("\n"))
        if frame is not None:
            own = _is_own(frame["file"], files)
        elif not line.lstrip(" |").strip() or not re.match(r"[ |]{4}", line):
            own = False  # no line of code below a frame
        if parts and frame is None and parts[-1].own is own:
            parts[-1] = Part(parts[-1].text + line, own)
        else:
            parts.append(Part(line, own))
    return parts


def _is_own(file: str, files: Set[str]) -> bool:
    if not files:
        return _LIBRARY.match(file) is None
    return any(file == each or file.endswith(f"/{each}") for each in files)
