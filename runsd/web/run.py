"""The frame of a run's pages: what it is, what can be done with it, and the tabs."""

from typing import Any

from runsd_sdk.run import Run, RunProblems

from runsd.api import programs, runs
from runsd.api.call import Call
from runsd.web.page import ask


async def framed(call: Call) -> dict[str, Any]:
    """Return what ``run_base.html`` shows around a tab. Raises Unknown.

    ``since`` is the newest event before all this was read: what comes later is told live.
    """
    since = await call.services.events.last_id()
    run = await ask(call, runs.get, Run)
    problems = await ask(call, programs.page, RunProblems)
    return {
        "since": since,
        "run": run,
        "live": not run.status.terminal,
        "problems": problems.data,
        "labels_plain": all(map(_is_plain, run.labels.values())),
        "most_timeout_s": call.services.settings.defaults.max_timeout_seconds,
    }


def _is_plain(value: str) -> bool:
    """Tell whether a value stays what it is when it is edited as the rest of a line."""
    return value.splitlines() in ([], [value]) and value == value.rstrip()
