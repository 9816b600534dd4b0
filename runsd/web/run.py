"""The frame of a run's pages: what it is, what can be done with it, and the tabs."""

import asyncio
from typing import Any, Final

from runsd_sdk.run import BatchState, Run, RunProblem, RunProblems

from runsd.api import programs, runs
from runsd.api.call import Call
from runsd.web.page import ask

# A page is worth more without problems than after half a minute.
_PATIENCE_S: Final = 2.0


async def framed(call: Call) -> dict[str, Any]:
    """Return what ``run_base.html`` shows around a tab. Raises Unknown.

    ``since`` is the newest event before all this was read: what comes later is told live.
    """
    since = await call.services.events.last_id()
    run = await ask(call, runs.get, Run)
    problems = await _problems(call)
    return {
        "since": since,
        "run": run,
        "live": not run.status.terminal,
        "batch": await ask(call, runs.batch, BatchState),
        "costs": runs.costs(call, run),
        "problems": problems or [],
        "problems_known": problems is not None,
        "labels_plain": all(map(is_plain, run.labels.values())),
        "most_timeout_s": call.services.settings.defaults.max_timeout_seconds,
    }


async def _problems(call: Call) -> list[RunProblem] | None:
    """Return the problems so far; None where an Engine that does not answer would have to be asked."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return (await ask(call, programs.page, RunProblems)).data
    except TimeoutError:
        return None


def is_plain(value: str) -> bool:
    """Tell whether a value stays what it is when it is edited as the rest of a line."""
    return value.splitlines() in ([], [value]) and value == value.rstrip()
