"""The host: what it has and gives, how it is, what runs, and why what waits does so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web
from runsd_sdk.host import Health, Info
from runsd_sdk.run import Queue, Run, Why

from runsd.api import runs, system
from runsd.api.app import CALLERS
from runsd.api.call import Call
from runsd.errors import Unidentified, Unknown
from runsd.web import live
from runsd.web.page import Shown, ask

_MOST: Final = 100
_MOST_PROJECTS: Final = 50
_EXPLAINED: Final = 25


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run, its place in the line of its project, and why it waits."""

    run: Run
    place: int
    why: Why


async def index(call: Call) -> Shown:
    """Show the host, and the runs on it of each project that the caller may use, the present one first."""
    since = await call.services.events.last_id()
    names = _names(call)
    each = runs.QueueQuery(limit=max(_EXPLAINED, _MOST // len(names)))
    queues = [
        await ask(replace(call, project=name), runs.queue, Queue, each) for name in names[:_MOST_PROJECTS]
    ]
    running = [run for queue in queues for run in queue.running][:_MOST]
    info = await ask(call, system.info, Info)
    return Shown(
        "host.html",
        {
            "since": since,
            "info": info,
            "health": await ask(call, system.health, Health),
            "running": running,
            "live": sum(queue.live for queue in queues),
            "waiting": await _first(call, queues),
            "queued": sum(queue.queued for queue in queues),
            "shared": info.free != info.capacity and len(names) < len(call.services.projects.all()),
            "several": len(names) > 1,
            "left_out": len(names[_MOST_PROJECTS:]),
        },
    )


async def follow(call: Call) -> web.StreamResponse:
    """Say when a run of a project that the host's page shows has changed, or one has come."""
    callers = call.request.app[CALLERS]

    def shown() -> Sequence[str]:
        try:
            return _names(replace(call, caller=callers.visitor(call.request)))[:_MOST_PROJECTS]
        except (Unidentified, ConnectionError):  # its session is over, or it has left
            return ()

    return await live.of_projects(call, shown)


def _names(call: Call) -> list[str]:
    """Return the projects that the caller may use, the present one first."""
    names = [each.name for each in call.services.projects.all() if call.caller.reaches(each.name)]
    return sorted(names, key=lambda name: name != call.project)


async def _first(call: Call, queues: Sequence[Queue]) -> list[Waiting]:
    """Return the first of each line, and why they wait: of many lines fewer of each."""
    lines = [queue.waiting for queue in queues if queue.waiting]
    most = max(1, _EXPLAINED // max(1, len(lines)))
    found = []
    for line in lines:
        for place, run in enumerate(line[:most], start=1):
            why = await _why(call, run)
            if why is not None:
                found.append(Waiting(run, place, why))
    return found


async def _why(call: Call, run: Run) -> Why | None:
    """Return why a run waits; None where it is gone meanwhile."""
    try:
        return await runs.explained(replace(call, project=run.project), run.id)
    except Unknown:
        return None
