"""What makes a run's pages follow: server-sent events that say there is something new, until it is over.

``changed`` stands for another state, ``measured`` for what it uses or has told meanwhile. What comes close
together is told as one, and then as ``changed``.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from runsd.api.call import Call
from runsd.api.streams import KEEP_ALIVE_S, SSE, Item, streaming
from runsd.signals import woken
from runsd.web.live import newest_known

_APART_S: Final = 0.5


async def follow(call: Call) -> web.StreamResponse:
    """Say when there is something new of a run, and end with it."""
    await call.services.runs.get(call.project, call.id)
    async with streaming(call, SSE) as out:
        async for item in _news(call):
            if item is None:
                await out.keep_alive()
            else:
                await out.items([item])
        if not call.services.draining.is_set():
            await out.end()
    return out.response


async def _news(call: Call) -> AsyncIterator[Item | None]:
    """Yield what is new, and None where nothing has come for long."""
    services, after, came = call.services, newest_known(call), False
    with services.signals.listening(f"run:{call.id}", f"measured:{call.id}", "draining") as changed:
        while not services.draining.is_set():
            over = await call.is_over(call.id)  # first: its last event is there then
            newest = await services.events.newest(call.project, after=after, run_id=call.id)
            if newest is not None:
                after = newest
                yield Item(str(after), "changed", "{}")
            elif came:
                yield Item(str(after), "measured", "{}")
            if over:
                return
            if newest is not None or came:
                await asyncio.sleep(_APART_S)
            came = await woken(changed, KEEP_ALIVE_S)
            if not came:
                yield None
