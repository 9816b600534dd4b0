"""Lines of a log over HTTP: a few by number, as soon as there are more, and those with a text in them."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field
from runsd_sdk.run import LinePiece, LogLine, LogLines, LogMatches, Run

from runsd.api.call import Call, Reply
from runsd.api.logs import ViewQuery, deleted_text, view_of
from runsd.clock import instant
from runsd.logs.lines import Line, LineCount, read
from runsd.logs.reader import START, Cursor
from runsd.signals import woken

_MOST_NUMBER: Final = 2**53
_MOST_MATCHES: Final = 1000


class LinesQuery(ViewQuery):
    """Which lines: up to ``count`` from line ``from`` on, or with ``tail`` the last ones of these.

    With ``beyond``, the ``end`` of an earlier answer, it is answered as soon as the log goes on behind it or
    is complete, but after so many seconds in any case.
    """

    from_: Annotated[int, Field(alias="from", ge=1, le=_MOST_NUMBER)] = 1
    count: Annotated[int, Field(ge=0, le=1000)] = 200
    tail: bool = False
    beyond: str | None = None
    timeout_seconds: Annotated[float, Field(ge=0, le=600)] = 0


class MatchesQuery(ViewQuery):
    """What to look for, in either case of its ASCII letters, from line ``from`` on; ``at`` is a place."""

    text: Annotated[str, Field(max_length=500)] = ""
    from_: Annotated[int, Field(alias="from", ge=1, le=_MOST_NUMBER)] = 1
    at: Annotated[int, Field(ge=1, le=_MOST_NUMBER)] = 1


async def page(call: Call) -> Reply:
    """Return some lines of a run's log by their numbers."""
    query: LinesQuery = call.query
    beyond = None if query.beyond is None else Cursor.parse(query.beyond, of="beyond")
    run, count, complete = await _counted(call, beyond)
    if run.logs.deleted_at is not None:
        return Reply(_deleted(run.logs.deleted_at, query))
    total, end, missing = count.total, str(count.end.cursor), count.missing
    first = max(query.from_, total - query.count + 1) if query.tail else query.from_
    found = await read(count, first, min(query.count, total - first + 1))
    while query.tail and found and found[-1].number < total:  # so long that not all of them fit
        first = total - len(found) // 2
        found = await read(count, first, total - first + 1)
    data = [_line(line) for line in found]
    return Reply(LogLines(data=data, total=total, end=end, complete=complete, missing_bytes=missing))


async def matches(call: Call) -> Reply:
    """Return which lines of a run's log have a text in them."""
    query: MatchesQuery = call.query
    run = await call.services.runs.get(call.project, call.id)
    if run.logs.deleted_at is not None:
        return Reply(LogMatches(count=0, before=0, previous=[], following=[], last=None, total=1))
    count = await call.services.lines.counted(view_of(call))
    total = count.total
    found = await call.services.searches.search(
        count, query.text, first=query.from_, at=query.at, most=_MOST_MATCHES
    )
    return Reply(LogMatches(**asdict(found), total=total))


async def _counted(call: Call, beyond: Cursor | None) -> tuple[Run, LineCount, bool]:
    """Count the lines, once there are others than those up to a place."""
    services = call.services
    ends = asyncio.get_running_loop().time() + call.query.timeout_seconds
    with services.signals.listening(f"log:{call.id}", f"run:{call.id}", "draining") as changed:
        while True:
            # Looked up first: what a finished run wrote is all there.
            run = await services.runs.get(call.project, call.id)
            count = await services.lines.counted(view_of(call))
            left = ends - asyncio.get_running_loop().time()
            moved = beyond is None or count.end.cursor != beyond or run.status.terminal
            if moved or left <= 0 or services.draining.is_set():
                return run, count, run.status.terminal
            await woken(changed, left)


def _deleted(at: datetime, query: LinesQuery) -> LogLines:
    pieces = [LinePiece(stream="system", text=deleted_text(at).rstrip("\n"))]
    line = LogLine(number=1, cursor=str(START), time=at, pieces=pieces, ended=True)
    data = [line] if query.from_ == 1 and query.count else []
    return LogLines(data=data, total=1, end=str(START), complete=True, missing_bytes=0)


def _line(line: Line) -> LogLine:
    pieces = [
        LinePiece(
            stream=stream.name.lower(),
            text=data.decode("utf-8", "replace"),
            omitted_bytes=line.omitted if n == line.resumes else 0,
        )
        for n, (stream, data) in enumerate(line.pieces)
    ]
    return LogLine(
        number=line.number,
        cursor=str(line.cursor),
        time=instant(line.at_us),
        pieces=pieces,
        ended=line.ended,
    )
