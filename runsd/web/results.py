"""What a run came to: its exit code, what its function returned, and the end of its output."""

from dataclasses import dataclass

from runsd_sdk.run import Run, RunResult

from runsd.api import runs
from runsd.api.call import Call
from runsd.logs.search import ESCAPES
from runsd.web.page import Shown, ask
from runsd.web.run import framed
from runsd.web.tree import tree

_LINES = 25
_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of an output; ``cut`` when there was more."""

    text: str
    cut: bool


async def show(call: Call) -> Shown:
    """Show the result of a run that is over."""
    frame = await framed(call)
    run: Run = frame["run"]
    if frame["live"]:
        return Shown("run_results.html", {**frame, "result": None})
    result = await ask(call, runs.result, RunResult)
    python = run.spec.python
    values = {
        "result": result,
        "returns": python is not None and python.entrypoint.function is not None,
        "tree": tree(result.return_value),
        "stdout": tail(result.stdout, cut=result.stdout_truncated),
        "stderr": tail(result.stderr, cut=result.stderr_truncated),
    }
    return Shown("run_results.html", frame | values)


def tail(text: str, *, cut: bool = False) -> Tail:
    """Return the last lines of a text without escape sequences; its beginning may be ``cut`` off already."""
    last = "".join(text.splitlines(keepends=True)[-_LINES:])[-_CHARS:]
    shown = ESCAPES.sub(b"", last.encode("utf-8", "replace")).decode()
    return Tail(shown, cut or len(last) < len(text))
