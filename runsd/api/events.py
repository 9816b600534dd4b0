"""Events over HTTP: of one run or of all, as a page or followed live, resumable by id."""

from typing import Annotated

from aiohttp import web
from pydantic import Field
from runsd_sdk.run import EventList

from runsd.api.call import Call, Query, Reply
from runsd.api.streams import KEEP_ALIVE_S, SSE, Item, Streamed, streaming
from runsd.errors import Refused
from runsd.signals import woken

_PAGE = 500
_MOST = 2**62


class EventsQuery(Query):
    """From which event on, and how many. ``cursor`` is what a page before gave, ``since`` an event's id."""

    since: Annotated[int, Field(ge=0, le=_MOST)] | None = None
    cursor: Annotated[int, Field(ge=0, le=_MOST)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


async def of_run(call: Call) -> Reply | web.StreamResponse:
    """Return a run's events, or follow them until it is over."""
    await call.services.runs.get(call.project, call.id)
    return await _answer(call, call.id, start=0)


async def of_all(call: Call) -> Reply | web.StreamResponse:
    """Return events of all runs, or follow them from now on."""
    newest = await call.services.events.last_id()
    return await _answer(call, None, start=newest)


async def _answer(call: Call, run_id: str | None, *, start: int) -> Reply | web.StreamResponse:
    query: EventsQuery = call.query
    asked = query.cursor if query.cursor is not None else query.since
    if call.accepts(SSE) is None:
        events = await call.services.events.after(
            call.project, asked or 0, run_id=run_id, limit=query.limit + 1
        )
        more = str(events[query.limit - 1].id) if len(events) > query.limit else None
        return Reply(EventList(data=events[: query.limit], next_cursor=more))
    after = _last_event_id(call)
    after = start if (after is None and asked is None) else after if after is not None else asked or 0
    async with streaming(call, SSE) as out:
        if await _follow(call, run_id, after, out):
            await out.end()
    return out.response


async def _follow(call: Call, run_id: str | None, after: int, out: Streamed) -> bool:
    services = call.services
    topic = "events" if run_id is None else f"run:{run_id}"
    with services.signals.listening(topic, "draining") as changed:
        while True:
            over = run_id is not None and await call.is_over(run_id)
            while events := await services.events.after(call.project, after, run_id=run_id, limit=_PAGE):
                await out.items(
                    Item(str(event.id), event.type, event.model_dump_json(by_alias=True)) for event in events
                )
                after = events[-1].id
            if over or services.draining.is_set():
                return over
            if not await woken(changed, KEEP_ALIVE_S):
                await out.keep_alive()


def _last_event_id(call: Call) -> int | None:
    text = call.request.headers.get("Last-Event-ID")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= _MOST):
        said = "Last-Event-ID must be the id of an event"
        raise Refused(said, errors=[(("Last-Event-ID",), said)])
    return int(text)
