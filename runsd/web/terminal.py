"""Output as a terminal leaves it, as text: the last state of what was written over, no escapes. Pure.

``static/ansi.js`` has the same rule for the browser; one table of cases tests both.
"""

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b(?:[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)"
)
"""Colours, movements, titles; also one that is cut off at the end of a line."""


def bare(line: str) -> str:
    """Return what is left of a line: behind the last ``\\r`` that something was written after."""
    if "\x1b" in line or "\x9b" in line:
        line = _ESCAPE.sub("", line)
    return line.rstrip("\r").rpartition("\r")[2] if "\r" in line else line
