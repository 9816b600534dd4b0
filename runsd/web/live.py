"""What makes a page follow: server-sent events that say there is something new, and nothing else.

The page then asks for itself again, so that one template shows it now and later. Changes that come close
together are told as one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from runsd.api.call import Call, Query
from runsd.api.services import Services
from runsd.api.streams import KEEP_ALIVE_S, SSE, Item, streaming
from runsd.signals import woken

_APART_S: Final = 0.5
_MOST_ID: Final = 2**62


class LiveQuery(Query):
    """``since`` is the newest event of which the page knows."""

    since: Annotated[int, Field(ge=0, le=_MOST_ID)] = 0


async def of_runs(call: Call) -> web.StreamResponse:
    """Say when a run of the project has changed, or one has come."""
    return await of_projects(call, lambda: [call.project])


async def of_projects(
    call: Call, projects: Callable[[], Sequence[str]], *, apart_s: float = _APART_S
) -> web.StreamResponse:
    """Say when a run of these projects has changed, or one has come; not twice within ``apart_s``.

    Each time ``projects`` is asked anew which they are: one may have come, or be shut to the caller by now.
    """
    async with streaming(call, SSE) as out:
        async for newest in _news(call, projects, apart_s):
            if newest is None:
                await out.keep_alive()
            else:
                await out.items([Item(str(newest), "changed", "{}")])
    return out.response


def newest_known(call: Call) -> int:
    """Return the newest event of which a page knows, or has been told since."""
    seen = call.request.headers.get("Last-Event-ID", "")
    query: LiveQuery = call.query
    return int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 19 else query.since


async def _news(
    call: Call, projects: Callable[[], Sequence[str]], apart_s: float
) -> AsyncIterator[int | None]:
    """Yield the id of the newest event where there are new ones, and None where none has come for long."""
    services, after = call.services, newest_known(call)
    pace = Pace(services, apart_s)
    with services.signals.listening("events", "draining") as changed:
        while await pace.goes_on():
            found = [await services.events.newest(project, after=after) for project in projects()]
            newest = max((id for id in found if id is not None), default=None)
            if newest is not None:
                after = newest
                yield newest
            if not await woken(changed, KEEP_ALIVE_S):
                yield None


class Pace:
    """Looks that are apart, also those that find nothing: what is heard of may be others' runs."""

    def __init__(self, services: Services, apart_s: float) -> None:
        self._services = services
        self._apart_s = apart_s
        self._next_s = 0.0

    async def goes_on(self) -> bool:
        """Wait until it is time to look again; say whether the daemon goes on."""
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._next_s):
                await self._services.draining.wait()
        self._next_s = loop.time() + self._apart_s
        return not self._services.draining.is_set()
