"""The host: what it has and gives, how it is, what runs, and why what waits does so."""

from runsd_sdk.host import Health, Info
from runsd_sdk.run import Phase, RunList, Status, Why

from runsd.api import runs, system
from runsd.api.call import Call
from runsd.errors import Unknown
from runsd.web.page import Shown, ask

_MOST = 100
_EXPLAINED = 25


async def index(call: Call) -> Shown:
    """Show the host, and the project's runs on it."""
    since = await call.services.events.last_id()
    live = runs.RunQuery(status=[Status.RUNNING, Status.PENDING], limit=_MOST)
    found = await ask(call, runs.page, RunList, live)
    waiting = [run for run in found.data if run.phase is Phase.QUEUED]
    return Shown(
        "host.html",
        {
            "since": since,
            "info": await ask(call, system.info, Info),
            "health": await ask(call, system.health, Health),
            "running": [run for run in found.data if run.phase is not Phase.QUEUED],
            # The oldest come first in a project, priorities aside.
            "waiting": [(run, await _why(call, run.id)) for run in waiting[::-1][:_EXPLAINED]],
            "unexplained": max(0, len(waiting) - _EXPLAINED),
            "more": found.next_cursor is not None,
        },
    )


async def _why(call: Call, run_id: str) -> Why | None:
    """Return why a run waits; None where it is gone meanwhile."""
    try:
        return await runs.explained(call, run_id)
    except Unknown:
        return None
