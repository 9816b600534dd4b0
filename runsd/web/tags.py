"""What makes a page follow that shows no runs: it is told when the API answers something else than it shows.

A tag stands for what is shown, so that nothing is missed before the page listens, or while it cannot.
"""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field
from runsd_sdk.wire import Answer

from runsd.api.call import Call, Query
from runsd.api.streams import KEEP_ALIVE_S, SSE, Item, Streamed, streaming
from runsd.errors import Unknown
from runsd.signals import woken
from runsd.web.live import Pace

_APART_S: Final = 0.5
Look = Callable[[], Awaitable[Sequence[Answer]]]


class SeenQuery(Query):
    """``since`` is the tag of what the page shows."""

    since: Annotated[str, Field(max_length=64)] = ""


def tag(answers: Sequence[Answer]) -> str:
    """Return what stands for some answers: equal ones have the same."""
    text = "\n".join(answer.model_dump_json() for answer in answers)
    return blake2b(text.encode(), digest_size=12).hexdigest()


async def follow(call: Call, look: Look, *topics: str) -> web.StreamResponse:
    """Say when ``look`` answers something else than what is shown; signals of the topics have it look."""
    await look()  # what is not there any more is refused before anything is streamed
    async with streaming(call, SSE) as out:
        try:
            await _tell(call, out, look, topics)
        except Unknown:  # it was deleted: nothing will follow, and the page says so when it looks
            await out.items([Item("", "changed", "{}")])
            await out.end()
    return out.response


async def _tell(call: Call, out: Streamed, look: Look, topics: Sequence[str]) -> None:
    query: SeenQuery = call.query
    seen = call.request.headers.get("Last-Event-ID", query.since)
    pace = Pace(call.services, _APART_S)
    with call.services.signals.listening(*topics, "draining") as changed:
        while await pace.goes_on():
            found = tag(await look())
            if found != seen:
                seen = found
                await out.items([Item(seen, "changed", "{}")])
            if not await woken(changed, KEEP_ALIVE_S):
                await out.keep_alive()
