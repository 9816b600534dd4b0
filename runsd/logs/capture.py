"""Capture: output on its way from attempts into SQLite, all attempts in one commit at a time."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from runsd.clock import Clock
from runsd.engine.port import Stream
from runsd.errors import NotNow
from runsd.faults import Step
from runsd.logs.alignment import Known
from runsd.logs.pieces import Piece, Pieces
from runsd.mask import Mask
from runsd.signals import Signals, woken
from runsd.sqlite import Sqlite

log = structlog.get_logger()

# Output waits this long for company before it is committed: a follower sees a line within some 20 ms, and a
# chatty program costs 50 commits a second rather than thousands.
_PACE_S = 0.02
_RETRY_S = 1.0
_MOST_WAITING = 4 * 1024**2
_TRIM_SLACK = 1024**2

_INSERT = """
insert into chunks (run_id, attempt, stream, at_byte, at_us, data) values (?, ?, ?, ?, ?, ?)
"""
_ENDS = """
select stream, max(at_byte + length(data)) as ends, sum(length(data)) as kept from chunks
where run_id = :run_id and attempt = :attempt group by stream
"""
_CHUNKS = """
select stream, at_byte, data from chunks
where run_id = :run_id and attempt = :attempt and stream <> 0 order by id
"""
# A chunk belongs to the head if all of it came first in its stream, which trimming never changes.
_TAIL = """
select id, length(data) as size from chunks
where run_id = :run_id and attempt = :attempt and at_byte + length(data) > :head
order by id limit 1000
"""
_LATEST = """
select data from chunks
where run_id = :run_id and attempt = :attempt and stream = :stream
order by at_byte desc
"""
_DISCARD = "delete from chunks where run_id = :run_id and attempt = :attempt"
_DROP = "delete from chunks where id in (select value from json_each(?))"


@dataclass(frozen=True, slots=True)
class Captured:
    """How much an attempt wrote to each stream, and whether some of it was not kept."""

    stdout_bytes: int
    stderr_bytes: int
    truncated: bool


class Capture:
    """The output of one attempt. Fed by whoever reads it from the Engine; stored by ``LogWriter``."""

    def __init__(
        self, writer: "LogWriter", run_id: str, attempt: int, kept: dict[Stream, tuple[int, int]]
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.mask: Mask | None = None
        """What covers secrets in runsd's own sentences; output is covered by whoever reads it."""
        self._writer = writer
        self._pieces = Pieces({stream: ends for stream, (ends, _) in kept.items()})
        self._kept = sum(size for _, size in kept.values())
        self._unstored = 0
        self._progress = asyncio.Event()
        self._flushing = False

    @property
    def positions(self) -> dict[Stream, int]:
        """Bytes of each stream that were fed or found: whoever goes on reading goes on behind them.

        Some may be on their way to the disk still, and the cap may have taken some away again.
        """
        return self._pieces.ends

    @property
    def captured(self) -> Captured:
        """The sums so far, once flushed."""
        ends = self.positions
        written = sum(ends.values())
        return Captured(ends[Stream.STDOUT], ends[Stream.STDERR], self._kept < written)

    @property
    def far_behind(self) -> bool:
        """Whether so much waits for the disk that whoever feeds should wait too."""
        return self._unstored > _MOST_WAITING

    def add(self, stream: Stream, data: bytes) -> None:
        """Take bytes."""
        if stream is Stream.SYSTEM and self.mask is not None:
            data = self.mask.whole(data)
        if not data:  # the beginning of a secret, perhaps: all of it is held back
            return
        self._pieces.add(stream, data, self._writer.clock())
        self._unstored += len(data)
        self._writer.dirty(self)

    async def catch_up(self) -> None:
        """Return when the disk is not far behind any more."""
        await self._until_unstored(_MOST_WAITING)

    async def feed(self, stream: Stream, data: bytes) -> None:
        """Take bytes; while the disk is far behind, wait: the program is slowed and nothing is lost."""
        self.add(stream, data)
        await self.catch_up()

    async def remark(self, text: str) -> None:
        """Put a sentence of runsd's own into the log, such as a gap."""
        await self.feed(Stream.SYSTEM, text.encode() + b"\n")

    async def flush(self) -> None:
        """Return when everything fed so far is on disk."""
        if not self._unstored:
            return
        self._flushing = True
        self._writer.dirty(self, urgent=True)
        await self._until_unstored(0)
        self._flushing = False

    async def discard(self) -> None:
        """Forget everything that was stored, to store it anew."""
        await self.flush()
        await self._writer.discard(self.run_id, self.attempt)
        self._pieces = Pieces({})
        self._kept = 0

    def take(self) -> list[Piece]:
        """Hand over what can be stored now."""
        return self._pieces.take(everything=self._flushing)

    def stored(self, size: int, *, kept: int) -> None:
        """Note that so many bytes more are on disk, and how many of all are kept."""
        self._unstored -= size
        self._kept = kept
        self._progress.set()
        if self._flushing and self._unstored:
            self._writer.dirty(self, urgent=True)

    async def _until_unstored(self, most: int) -> None:
        while self._unstored > most:
            self._progress.clear()
            await self._progress.wait()

    def trim(self, db: sqlite3.Connection, added: int, cap: int) -> int:
        """Keep head and tail of an output that is over the cap: delete the oldest after the head.

        Returns how many bytes are kept once this is committed.
        """
        kept = self._kept + added
        if kept <= cap + _TRIM_SLACK:
            return kept
        # Two heads of 3/8 leave a tail of a quarter even where both streams write without end.
        of = {"run_id": self.run_id, "attempt": self.attempt, "head": cap * 3 // 8}
        while kept > cap and (rows := db.execute(_TAIL, of).fetchall()):
            drop = []
            for row in rows:
                if kept <= cap:
                    break
                drop.append(row["id"])
                kept -= row["size"]
            db.execute(_DROP, (json.dumps(drop),))
        return kept


class LogWriter:
    """Commits what captures hold: together, in order, at a steady pace or at once when one must end."""

    def __init__(self, db: Sqlite, *, clock: Clock, signals: Signals, max_bytes: int) -> None:
        self.clock = clock
        self._db = db
        self._signals = signals
        self._max_bytes = max_bytes
        self._dirty: dict[Capture, None] = {}
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._counting = asyncio.Lock()

    async def capture(self, run_id: str, attempt: int) -> Capture:
        """Take up the log of an attempt where it was left."""
        rows = await self._db.all(_ENDS, {"run_id": run_id, "attempt": attempt})
        kept = {Stream(row["stream"]): (row["ends"], row["kept"]) for row in rows}
        return Capture(self, run_id, attempt, kept)

    async def head(self, run_id: str, attempt: int, stream: Stream, size: int) -> bytes:
        """Return the first stored bytes of a stream, however small the chunks are."""
        sql = """
        select data from chunks
        where run_id = :run_id and attempt = :attempt and stream = :stream and at_byte < :size
        order by at_byte
        """
        given = {"run_id": run_id, "attempt": attempt, "stream": int(stream), "size": size}
        return b"".join([row["data"] for row in await self._db.all(sql, given)])[:size]

    async def end(self, run_id: str, attempt: int, stream: Stream, size: int) -> bytes:
        """Return the last stored bytes of a stream."""
        given = {"run_id": run_id, "attempt": attempt, "stream": int(stream)}
        parts: list[bytes] = []
        async with self._db.reading() as reader, reader.execute(_LATEST, given) as rows:
            async for row in rows:
                parts.append(row["data"])
                if sum(map(len, parts)) >= size:
                    break
        return b"".join(reversed(parts))[-size:]

    async def discard(self, run_id: str, attempt: int) -> None:
        """Delete what is stored of an attempt."""

        def job(db: sqlite3.Connection) -> None:
            db.execute(_DISCARD, {"run_id": run_id, "attempt": attempt})

        await self._db.write(job, Step.FORGET_LOGS)

    async def known(self, run_id: str, attempt: int) -> dict[Stream, Known]:
        """Return what is stored of each stream as the Engine's record holds it."""
        known = {Stream.STDOUT: Known(), Stream.STDERR: Known()}
        of = {"run_id": run_id, "attempt": attempt}
        # One at a time: after a restart every live run asks, and others want to read too.
        async with self._counting, self._db.reading() as reader, reader.execute(_CHUNKS, of) as rows:
            async for row in rows:
                known[Stream(row["stream"])].stored(row["at_byte"], row["data"])
                await asyncio.sleep(0)
        return known

    def dirty(self, capture: Capture, *, urgent: bool = False) -> None:
        """Note that a capture has output to store."""
        self._dirty[capture] = None
        self._wake.set()
        if urgent:
            self._urgent.set()

    async def serve(self) -> None:
        """Commit for as long as the daemon lives."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            captures, self._dirty = list(self._dirty), {}
            await self._store(captures)
            await woken(self._urgent, _PACE_S)

    async def _store(self, captures: Iterable[Capture]) -> None:
        taken = [(capture, capture.take()) for capture in captures]
        taken = [(capture, pieces) for capture, pieces in taken if pieces]
        kept: dict[Capture, int] = {}

        def job(db: sqlite3.Connection) -> None:
            rows = [
                (c.run_id, c.attempt, int(p.stream), p.at_byte, p.at_us, p.data)
                for c, ps in taken
                for p in ps
            ]
            db.executemany(_INSERT, rows)
            for capture, pieces in taken:
                added = sum(len(piece.data) for piece in pieces)
                kept[capture] = capture.trim(db, added, self._max_bytes)

        refused = False
        while taken:
            try:
                await self._db.write(job, Step.LOG_CHUNKS)
            except (NotNow, sqlite3.Error) as failure:
                # Nothing is lost while we wait: the pieces are here, and the programs are slowed down. It is
                # said once: the daemon's log may be on the same disk.
                if not refused:
                    log.error("logs.store_failed", error=str(failure))
                refused = True
                await asyncio.sleep(_RETRY_S)
            else:
                break
        for capture, pieces in taken:
            capture.stored(sum(len(piece.data) for piece in pieces), kept=kept[capture])
            self._signals.notify(f"log:{capture.run_id}")
