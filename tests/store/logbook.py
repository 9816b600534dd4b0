"""A log on a real file with both of its sides: who writes and who reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runsd_sdk.run import LogEntry

from runsd.engine.port import Stream
from runsd.logs.capture import Capture, LogWriter
from runsd.logs.database import open_logs
from runsd.logs.entries import entries
from runsd.logs.reader import Cursor, LogQuery, LogReader, Part
from runsd.signals import Signals
from runsd.sqlite import Sqlite
from tests.store.desk import Hands

OUT, ERR, SYSTEM = Stream.STDOUT, Stream.STDERR, Stream.SYSTEM
RUN = "run_1"
CAP = 1024**2


@dataclass(frozen=True, slots=True)
class Book:
    """Both sides of a log file."""

    db: Sqlite
    writer: LogWriter
    reader: LogReader
    signals: Signals

    async def written(self, *feeds: tuple[Stream, bytes], attempt: int = 1) -> Capture:
        """Store some output."""
        capture = await self.writer.capture(RUN, attempt)
        for stream, data in feeds:
            await capture.feed(stream, data)
        await capture.flush()
        return capture

    async def parts(self, *streams: Stream, since: Cursor | None = None) -> list[Part]:
        """Read a log."""
        query = LogQuery(RUN, None, streams or (SYSTEM, OUT, ERR), since or Cursor())
        return [part async for part in self.reader.parts(query)]

    async def flooded(self, capture: Capture, stream: Stream, size: int) -> None:
        """Store much output, a little at a time."""
        whole = numbered(size)
        for at in range(0, size, 32_768):
            await capture.feed(stream, whole[at : at + 32_768])
            await capture.flush()

    async def text(self, *streams: Stream, since: Cursor | None = None) -> bytes:
        """Read the bytes of a log."""
        return b"".join([part.data for part in await self.parts(*streams, since=since)])


@asynccontextmanager
async def open_book(path: Path, *, cap: int = CAP) -> AsyncIterator[Book]:
    db, signals = await open_logs(path), Signals()
    writer = LogWriter(db, clock=Hands().now, signals=signals, max_bytes=cap)
    serving = asyncio.create_task(writer.serve())
    try:
        yield Book(db, writer, LogReader(db), signals)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await db.close()


def entries_of(part: Part) -> list[LogEntry]:
    """Read the entries of a part as a client does; each is written as the model of the SDK writes it."""
    written = list(entries(part))
    found = [LogEntry.model_validate_json(json) for _, json in written]
    assert [(entry.cursor, entry.model_dump_json(by_alias=True)) for entry in found] == [
        (str(cursor), json) for cursor, json in written
    ]
    return found


def numbered(size: int) -> bytes:
    """Return so many bytes that say where they are."""
    return b"".join(b"%015d\n" % n for n in range(size // 16))
