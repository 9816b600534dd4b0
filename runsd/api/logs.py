"""Logs over HTTP: exact bytes or entries, from a cursor or from the end, followed or not."""

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import Field
from runsd_sdk.run import LogEntry

from runsd.api.call import Call, Query
from runsd.api.streams import KEEP_ALIVE_S, NDJSON, SSE, TEXT, Item, Streamed, streaming
from runsd.engine.port import Stream
from runsd.logs.entries import entries
from runsd.logs.reader import Cursor, LogQuery, Part, Seen
from runsd.signals import woken

_AT_ONCE = 1000
_STREAMS: Final = {
    "system": (Stream.SYSTEM,),
    "stdout": (Stream.STDOUT,),
    "stderr": (Stream.STDERR,),
    "all": (Stream.SYSTEM, Stream.STDOUT, Stream.STDERR),
}


class ViewQuery(Query):
    """Which streams, and of which attempt; without ``attempt`` all attempts in order."""

    stream: Literal["stdout", "stderr", "system", "all"] = "all"
    attempt: Annotated[int, Field(ge=1, le=11)] | None = None


class LogsQuery(ViewQuery):
    """Which part of the log."""

    tail: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    since: str | None = None
    until: str | None = None
    follow: bool = False


async def read(call: Call) -> web.StreamResponse:
    """Send a run's log in the format that Accept names: text, lines of JSON or server-sent events."""
    asked: LogsQuery = call.query
    format = call.accepts(SSE, NDJSON, TEXT) or TEXT
    run = await call.services.runs.get(call.project, call.id)
    query = view_of(call)
    since = call.request.headers.get("Last-Event-ID") or asked.since
    until = Cursor.parse(asked.until) if asked.until else None
    if since is not None:
        query = replace(query, since=Cursor.parse(since))
    elif asked.tail is not None:
        query = replace(query, since=await call.services.logs.tail(query, asked.tail))
    async with streaming(call, format) as out:
        if run.logs.deleted_at is not None:
            await _remark_deleted(out, run.logs.deleted_at, query.since, format=format)
        if await _send(call, query, out, until, format=format):
            await out.end()
    return out.response


def view_of(call: Call) -> LogQuery:
    """Return the streams and attempts that a request is about."""
    asked: ViewQuery = call.query
    return LogQuery(call.id, asked.attempt, _STREAMS[asked.stream])


def deleted_text(at: datetime) -> str:
    """Say why there is nothing to read any more."""
    return f"[runsd: the output of this run was deleted on {at:%Y-%m-%d} by this host's retention]\n"


async def _remark_deleted(out: Streamed, at: datetime, since: Cursor, *, format: str) -> None:
    text = deleted_text(at)
    if format == TEXT:
        await out.bytes(text.encode())
    else:
        entry = LogEntry(cursor=str(since), time=at, stream=Stream.SYSTEM.name.lower(), text=text)
        await out.items([Item(entry.cursor, "log", entry.model_dump_json(by_alias=True))])


async def _send(call: Call, query: LogQuery, out: Streamed, until: Cursor | None, *, format: str) -> bool:
    """Send the log and, if asked, what is added to it; say whether it came to its end."""
    services = call.services
    seen: Seen = {}
    over = not call.query.follow
    with (
        services.signals.listening(f"log:{call.id}", f"run:{call.id}", "draining") as changed,
        services.signals.listening(f"run:{call.id}") as moved,
    ):
        moved.set()
        while True:
            # Looked up first: what a finished run wrote is all there.
            if not over and moved.is_set():
                moved.clear()
                over = await call.is_over(call.id)
            async for part in services.logs.parts(query, seen=seen):
                if until is not None and Cursor(part.row["id"], part.start) >= until:
                    return True
                await (_send_text(out, part) if format == TEXT else _send_entries(out, part, until))
                query = replace(query, since=part.end)
            if over:
                return True
            if services.draining.is_set():
                return False
            if not await woken(changed, KEEP_ALIVE_S):
                await out.keep_alive()


async def _send_entries(out: Streamed, part: Part, until: Cursor | None) -> None:
    found = (
        Item(str(cursor), "log", json) for cursor, json in entries(part) if until is None or cursor <= until
    )
    while some := list(islice(found, _AT_ONCE)):
        await out.items(some)
        await asyncio.sleep(0)  # a part may be a quarter of a million empty lines, and others have a turn too


async def _send_text(out: Streamed, part: Part) -> None:
    for _, data in part.pieces:
        await out.bytes(data)
