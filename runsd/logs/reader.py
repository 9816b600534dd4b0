"""Reading what runs wrote: entries with resumable cursors, exact bytes, the end; never all at once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from runsd.engine.port import Stream
from runsd.errors import Refused
from runsd.sqlite import Sqlite

RESULT_BYTES = 1024**2
_PAGE = 16
# Small chunks are read more at a time: a page is a visit to another thread.
_MOST_PAGE, _SMALL_BYTES = 64, 128 * 1024
_BEYOND = 2**62
_FORWARD = """
select id, run_id, attempt, stream, at_byte, at_us, data from chunks
where run_id = :run_id and id >= :from_id and (:attempt is null or attempt = :attempt)
    and stream in (select value from json_each(:streams))
order by id limit :limit
"""
_BACKWARD = """
select id, data from chunks
where run_id = :run_id and id < :before_id and (:attempt is null or attempt = :attempt)
    and stream in (select value from json_each(:streams))
order by id desc limit :limit
"""
_BEFORE = """
select at_byte + length(data) as ends from chunks
where run_id = :run_id and attempt = :attempt and stream = :stream and at_byte < :at_byte
order by at_byte desc limit 1
"""
# Read from the index alone, however large the chunks are.
_EXTENT = """
select coalesce(max(id), 0) as newest, count(*) as rows, count(*) filter (where id <= :upto) as known
from chunks where run_id = :run_id
"""
_LAST = """
select at_byte, data from chunks
where run_id = :run_id and attempt = :attempt and stream = :stream and at_byte < :before
order by at_byte desc limit 4
"""


class Cursor(NamedTuple):
    """A place in a log: after so many bytes of a chunk. Written ``<chunk>.<byte>``."""

    chunk: int = 0
    byte: int = 0

    @classmethod
    def parse(cls, text: str, *, of: str = "since") -> "Cursor":
        """Read a cursor, of a parameter. Raises Refused for what was never handed out."""
        chunk, _, byte = text.partition(".")
        if not (
            chunk.isdecimal() and byte.isdecimal() and chunk.isascii() and byte.isascii() and len(text) < 40
        ):
            remedy = "it is not a cursor; take one from an entry of this log"
            raise Refused(f"cannot read from {text[:40]!r}: {remedy}", errors=[((of,), remedy)])
        return cls(min(int(chunk), _BEYOND), int(byte))

    def __str__(self) -> str:
        return f"{self.chunk}.{self.byte}"


START = Cursor()


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a run's log: ``attempt`` None means all, in order."""

    run_id: str
    attempt: int | None = None
    streams: Sequence[Stream] = (Stream.SYSTEM, Stream.STDOUT, Stream.STDERR)
    since: Cursor = START

    def parameters(self) -> dict[str, Any]:
        """Return what every statement here binds."""
        streams = "[" + ",".join(str(int(stream)) for stream in self.streams) + "]"
        return {"run_id": self.run_id, "attempt": self.attempt, "streams": streams, "limit": _PAGE}


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a chunk, from ``start`` on. ``missing`` bytes before it were not kept."""

    row: sqlite3.Row
    start: int
    missing: int

    @property
    def data(self) -> bytes:
        """The bytes themselves."""
        return bytes(self.row["data"][self.start :])

    @property
    def pieces(self) -> list[tuple[Stream, bytes]]:
        """The bytes as a text shows them: behind a remark in a line of its own where some were not kept."""
        stream = Stream(self.row["stream"])
        if self.missing <= 0:
            return [(stream, self.data)]
        return [(Stream.SYSTEM, b"\n" + missing_text(self.missing, stream).encode()), (stream, self.data)]

    @property
    def end(self) -> Cursor:
        """The place after them."""
        return Cursor(self.row["id"], len(self.row["data"]))


@dataclass(frozen=True, slots=True)
class Extent:
    """How many chunks a run has: the newest one's id, their number, and that of those up to a certain id."""

    newest: int
    rows: int
    known: int


_Asked = tuple[str, int | None, tuple[Stream, ...], int, int]
Seen = dict[tuple[int, int], int]
"""Up to which byte a follower has read each stream of each attempt."""


class LogReader:
    """The read side of ``logs.db``."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db
        self._asked: dict[_Asked, asyncio.Task[list[sqlite3.Row]]] = {}
        self._reading: set[asyncio.Task[list[sqlite3.Row]]] = set()

    async def parts(self, query: LogQuery, *, seen: Seen | None = None) -> AsyncIterator[Part]:
        """Walk the stored chunks from the cursor on, a page at a time, until there are no more.

        Whoever follows gives ``seen`` to each walk, so that what was dropped in between is told exactly.
        """
        seen = {} if seen is None else seen
        at, limit = query.since, _PAGE
        while True:
            rows = await self._page(query, at.chunk, limit)
            for row in rows:
                start = at.byte if row["id"] == at.chunk else 0
                key = (row["attempt"], row["stream"])
                if key not in seen:
                    seen[key] = await self._end_before(row, query.since)
                missing = max(0, row["at_byte"] - seen[key])
                seen[key] = row["at_byte"] + len(row["data"])
                if start < len(row["data"]):
                    yield Part(row, start, missing)
            if len(rows) < limit:
                return
            at = Cursor(rows[-1]["id"] + 1, 0)
            small = sum(len(row["data"]) for row in rows) <= _SMALL_BYTES
            limit = min(2 * limit, _MOST_PAGE) if small else _PAGE

    async def _page(self, query: LogQuery, from_id: int, limit: int) -> list[sqlite3.Row]:
        """Return the chunks from an id on.

        Who asks for the same at the same moment is answered together: all followers of a run are woken at
        once, and want what has just been stored.
        """
        asked = (query.run_id, query.attempt, tuple(query.streams), from_id, limit)
        reading = self._asked.get(asked)
        if reading is None:
            reading = asyncio.create_task(self._read(asked, query), name="log-page")
            self._asked[asked] = reading
            self._reading.add(reading)
            reading.add_done_callback(self._read_ended)
        return await asyncio.shield(reading)

    async def _read(self, asked: _Asked, query: LogQuery) -> list[sqlite3.Row]:
        del self._asked[asked]  # whoever asks from now on may know of a commit that this will not see
        return await self._db.all(_FORWARD, {**query.parameters(), "from_id": asked[-2], "limit": asked[-1]})

    def _read_ended(self, reading: asyncio.Task[list[sqlite3.Row]]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()  # whoever asked may have left

    async def _end_before(self, row: sqlite3.Row, since: Cursor) -> int:
        """Return up to where a stream is known at a cursor: a gap from there on is still to tell."""
        if since == START:
            return 0
        if row["id"] == since.chunk:
            at: int = row["at_byte"]  # what was missing before this chunk was told with its beginning
            return at
        given = {key: row[key] for key in ("run_id", "attempt", "stream", "at_byte")}
        before = await self._db.one(_BEFORE, given)
        return before["ends"] if before else 0

    async def extent(self, run_id: str, *, upto: int) -> Extent:
        """Return how many chunks a run has in all, and how many of those up to an id are still there."""
        row = await self._db.one(_EXTENT, {"run_id": run_id, "upto": upto})
        return Extent(row["newest"], row["rows"], row["known"]) if row else Extent(0, 0, 0)

    async def tail(self, query: LogQuery, lines: int) -> Cursor:
        """Return the place from which the last so many lines begin."""
        # The start of the last n lines is the end of the newline before them; an unfinished line is a line.
        newlines = lines
        before = _BEYOND
        while True:
            rows = await self._db.all(_BACKWARD, {**query.parameters(), "before_id": before})
            for row in rows:
                data: bytes = row["data"]
                if before == _BEYOND and row is rows[0] and data.endswith(b"\n"):
                    newlines += 1
                end = len(data)
                if newlines == 0:
                    return Cursor(row["id"], end)
                while newlines and (end := data.rfind(b"\n", 0, end)) >= 0:
                    newlines -= 1
                if end >= 0:
                    return Cursor(row["id"], end + 1)
            if len(rows) < _PAGE:
                return START
            before = rows[-1]["id"]

    async def last_bytes(self, run_id: str, attempt: int, stream: Stream) -> tuple[bytes, bool]:
        """Return the end of a stream, at most 1 MiB and no gap, and whether there was more before."""
        parts: list[bytes] = []
        size, before = 0, _BEYOND
        while size < RESULT_BYTES:
            given = {"run_id": run_id, "attempt": attempt, "stream": int(stream), "before": before}
            rows = await self._db.all(_LAST, given)
            for row in rows:
                if row["at_byte"] + len(row["data"]) < before < _BEYOND:  # what came between was not kept
                    return b"".join(reversed(parts))[-RESULT_BYTES:], True
                parts.append(row["data"])
                size += len(row["data"])
                before = row["at_byte"]
            if not rows:
                break
        return b"".join(reversed(parts))[-RESULT_BYTES:], (size > RESULT_BYTES) or (0 < before < _BEYOND)


def missing_text(missing: int, stream: Stream) -> str:
    """Say that output was not kept."""
    return f"[runsd: {missing} bytes of {stream.name.lower()} were not kept here]\n"
