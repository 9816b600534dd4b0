"""What a run came to: its exit code, what its function returned, and the end of its output."""

from dataclasses import dataclass

from aiohttp import web
from runsd_sdk.run import Run, RunResult

from runsd.api import runs
from runsd.api.call import Call
from runsd.web.page import Shown, ask
from runsd.web.run import framed
from runsd.web.terminal import bare
from runsd.web.tree import tree
from runsd.web.words import pretty

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


async def value(call: Call) -> web.Response:
    """Send what a run's function returned, as JSON and nothing else."""
    result = await ask(call, runs.result, RunResult)
    return web.Response(
        text=pretty(result.return_value) + "\n",
        content_type="application/json",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{result.id}.json"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def tail(text: str, *, cut: bool = False) -> Tail:
    """Return the last lines of a text as a terminal leaves them; its beginning may be ``cut`` off already."""
    ended = text.endswith("\n")
    before, *last = text.removesuffix("\n").rsplit("\n", _LINES)
    if len(last) < _LINES:
        last, before = [before, *last], ""
    shown = "\n".join(map(bare, last)) + ("\n" if ended else "")
    shown = shown.encode("utf-8", "replace").decode()
    return Tail(shown[-_CHARS:], cut or bool(before) or len(shown) > _CHARS)
