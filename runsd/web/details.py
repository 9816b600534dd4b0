"""A run's first page: why it is where it is, what it was asked to do, what became of it and what it cost."""

from typing import Final

from runsd_sdk.host import VolumeList
from runsd_sdk.run import Event, EventList, Run, RunAttempts

from runsd import billing
from runsd.api import events, runs, volumes
from runsd.api.call import Call
from runsd.api.events import EventsQuery
from runsd.clock import instant
from runsd.web.bill import bill
from runsd.web.facts import facts
from runsd.web.page import Shown, ask
from runsd.web.run import framed
from runsd.web.timeline import WIDTH, bar, spent, timeline

_PAGE = 1000
_MOST_EVENTS = 20 * _PAGE
_SHOWN_EVENTS: Final = 200


async def show(call: Call) -> Shown:
    """Show the details of a run."""
    frame = await framed(call)
    run: Run = frame["run"]
    billed = call.services.settings.billing
    spans = timeline(await _events(call), instant(call.services.clock()))
    values = {
        "why": await runs.accounted(call, run),
        "facts": facts(run.spec),
        "attempts": (await ask(call, runs.attempts, RunAttempts)).data,
        "spans": spans,
        "bar": bar(spans),
        "bar_width": int(WIDTH),
        "spent": spent(spans),
        "bill": bill(run),
        "price_usd": billing.money(billed.price_per_vcpu_second_usd),
        "free_vcpu_s": billed.free_vcpu_seconds,
        "volumes": await _volumes(call, run),
        "task": None if run.task is None else await call.services.tasks.find(call.project, run.task),
    }
    return Shown("run_details.html", frame | values)


async def happened(call: Call) -> Shown:
    """Show the events of a run, from its first or from a cursor on."""
    query: EventsQuery = call.query
    cursor = query.cursor if query.cursor is not None else query.since
    asked = EventsQuery(cursor=cursor, limit=_SHOWN_EVENTS)
    frame = await framed(call)
    found = await ask(call, events.of_run, EventList, asked)
    return Shown("run_events.html", {**frame, "events": found, "cursor": cursor})


async def _events(call: Call) -> list[Event]:
    """Return a run's events; of one with very many, such as of a long pull, the first."""
    found: list[Event] = []
    cursor: int | None = None
    while len(found) < _MOST_EVENTS:
        page = await ask(call, events.of_run, EventList, EventsQuery(cursor=cursor, limit=_PAGE))
        found += page.data
        if page.next_cursor is None:
            break
        cursor = int(page.next_cursor)
    return found


async def _volumes(call: Call, run: Run) -> list[tuple[str, str]]:
    """Return the names of a run's volumes, which may be gone, with how they are mounted."""
    if not run.spec.volume_mounts:
        return []
    known = (await ask(call, volumes.page, VolumeList)).data
    names = {volume.id: volume.name for volume in known}
    return [
        (
            names.get(mount.volume_id, mount.volume_id),
            mount.mount_path + (", read only" if mount.read_only else ""),
        )
        for mount in run.spec.volume_mounts
    ]
