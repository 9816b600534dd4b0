"""The host: what it has and gives, how it is, what runs, and why what waits does so."""

from collections.abc import Sequence
from dataclasses import replace

from runsd_sdk.host import Health, Info
from runsd_sdk.run import Phase, Run, RunList, Status, Why

from runsd.api import runs, system
from runsd.api.call import Call
from runsd.errors import Unknown
from runsd.web.page import Shown, ask

_MOST = 100
_MOST_PROJECTS = 50
_EXPLAINED = 25


async def index(call: Call) -> Shown:
    """Show the host, and the runs on it of each project that the caller may use, the present one first."""
    since = await call.services.events.last_id()
    names = [each.name for each in call.services.projects.all() if call.caller.reaches(each.name)]
    names.sort(key=lambda name: name != call.project)
    live, more = await _live(call, names[:_MOST_PROJECTS])
    waiting = [run for run in live if run.phase is Phase.QUEUED]
    return Shown(
        "host.html",
        {
            "since": since,
            "info": await ask(call, system.info, Info),
            "health": await ask(call, system.health, Health),
            "running": [run for run in live if run.phase is not Phase.QUEUED],
            "waiting": [(run, await _why(call, run)) for run in waiting[:_EXPLAINED]],
            "several": len(names) > 1,
            "more": more or len(waiting) > _EXPLAINED or len(names) > _MOST_PROJECTS,
        },
    )


async def _live(call: Call, names: Sequence[str]) -> tuple[list[Run], bool]:
    """Return what is not over in some projects, and whether there is more; the oldest of each come first."""
    query, live, more = runs.RunQuery(status=[Status.RUNNING, Status.PENDING], limit=_MOST), [], False
    for name in names:
        found = await ask(replace(call, project=name), runs.page, RunList, query)
        live += found.data[::-1]
        more = more or found.next_cursor is not None
        if len(live) >= _MOST:
            return live, True
    return live, more


async def _why(call: Call, run: Run) -> Why | None:
    """Return why a run waits; None where it is gone meanwhile."""
    try:
        return await runs.explained(replace(call, project=run.project), run.id)
    except Unknown:
        return None
