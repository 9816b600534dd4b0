"""Answers that go on: server-sent events, lines of JSON, raw bytes. They end when the daemon drains."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from aiohttp import ClientConnectionResetError, web

from runsd.api.call import Call

NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
TEXT = "text/plain"
KEEP_ALIVE_S = 15.0


class Item(NamedTuple):
    """One thing to send, as JSON, with the id from which a client can go on."""

    id: str
    event: str
    json: str


class Streamed:
    """An open answer in one of the three formats."""

    def __init__(self, response: web.StreamResponse, format: str) -> None:
        self.response = response
        self.ended = False
        self._format = format

    async def items(self, items: Iterable[Item]) -> None:
        """Send some items; returns when the client's side has room, so memory stays bounded."""
        if self._format == SSE:
            texts = [f"id: {item.id}\nevent: {item.event}\ndata: {item.json}\n\n" for item in items]
        else:
            texts = [f"{item.json}\n" for item in items]
        await self.response.write("".join(texts).encode())

    async def bytes(self, data: bytes) -> None:
        """Send raw bytes."""
        await self.response.write(data)

    async def keep_alive(self) -> None:
        """Show that the connection lives."""
        if self._format == SSE:
            await self.response.write(b": still here\n\n")
        elif self._format == NDJSON:
            await self.response.write(b"\n")

    async def end(self) -> None:
        """Say that everything was sent and nothing will follow: a stream without it has broken."""
        if self._format == SSE:
            await self.response.write(b"event: end\ndata: {}\n\n")
        self.ended = True


@asynccontextmanager
async def streaming(call: Call, format: str) -> AsyncIterator[Streamed]:
    """Open an answer that is sent piece by piece."""
    media = format if format == NDJSON else f"{format}; charset=utf-8"
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-store"})
    await response.prepare(call.request)
    streamed = Streamed(response, format)
    # A client that leaves is no trouble of ours; aiohttp would log it with a traceback.
    with suppress(ClientConnectionResetError):
        yield streamed
        if streamed.ended:
            await response.write_eof()
    if not streamed.ended and call.request.transport is not None:
        call.request.transport.abort()  # a clean end would be taken for the end of the log
