"""What makes a page follow: server-sent events that say there is something new, and nothing else.

The page then asks for itself again, so that one template shows it now and later. Changes that come close
together are told as one.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from runsd.api.call import Call, Query
from runsd.api.streams import KEEP_ALIVE_S, SSE, Item, streaming
from runsd.signals import woken

_APART_S: Final = 0.5
_MOST_ID: Final = 2**62


class LiveQuery(Query):
    """``since`` is the newest event of which the page knows."""

    since: Annotated[int, Field(ge=0, le=_MOST_ID)] = 0


async def of_runs(call: Call) -> web.StreamResponse:
    """Say when a run of the project has changed, or one has come."""
    return await _follow(call, "events", None)


async def of_run(call: Call) -> web.StreamResponse:
    """Say when a run has changed, until it is over."""
    await call.services.runs.get(call.project, call.id)
    return await _follow(call, f"run:{call.id}", call.id)


async def _follow(call: Call, topic: str, run_id: str | None) -> web.StreamResponse:
    async with streaming(call, SSE) as out:
        async for newest in _news(call, topic, run_id):
            if newest is None:
                await out.keep_alive()
            else:
                await out.items([Item(str(newest), "changed", "{}")])
    return out.response


async def _news(call: Call, topic: str, run_id: str | None) -> AsyncIterator[int | None]:
    """Yield the id of the newest event where there are new ones, and None where none has come for long."""
    services = call.services
    seen = call.request.headers.get("Last-Event-ID", "")
    query: LiveQuery = call.query
    after = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 19 else query.since
    with services.signals.listening(topic, "draining") as changed:
        while not services.draining.is_set():
            newest = await services.events.newest(call.project, after=after, run_id=run_id)
            if newest is not None:
                after = newest
                yield newest
                await asyncio.sleep(_APART_S)
            elif not await woken(changed, KEEP_ALIVE_S):
                yield None
