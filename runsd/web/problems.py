"""A run's problems, each with its stack trace."""

import hashlib
from dataclasses import dataclass
from typing import Any

from runsd_sdk.run import RunProblem

from runsd.api.call import Call
from runsd.web.page import Shown
from runsd.web.run import framed
from runsd.web.trace import Part, marked


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """A problem, by what stays the same of it while it comes again, and its trace with marks."""

    key: str
    problem: RunProblem
    trace: list[Part]


async def show(call: Call) -> Shown:
    """Show the problems of a run, those that came first before the others."""
    frame: dict[str, Any] = await framed(call)
    shown = [
        ShownProblem(_key(at, problem), problem, marked(problem.stacktrace, problem.frames))
        for at, problem in enumerate(frame["problems"])
    ]
    return Shown("run_problems.html", {**frame, "shown": shown})


def _key(at: int, problem: RunProblem) -> str:
    said = "\n".join((str(at), problem.origin, problem.type, problem.stacktrace))
    return f"problem-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
