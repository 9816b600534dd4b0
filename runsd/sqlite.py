"""A SQLite file: one writer that commits in groups, a few readers, named statements.

Everyone who writes hands in a job; the writer runs all jobs that wait in one durable transaction, each behind
its own savepoint. A job is thus atomic and durable when ``write`` returns, never half done when its caller is
cancelled, and the cost of the sync is shared by all who write at that moment. A group is one visit to the
writer's thread: with a visit for every statement the visits would cost several times what SQLite does.
"""

import asyncio
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import structlog

from runsd import acts
from runsd.acts import Act
from runsd.errors import NotNow
from runsd.faults import Step
from runsd.migrations import migrate
from runsd.writer import Job, Writer

T = TypeVar("T")
Note = Callable[[sqlite3.Connection, Act], str]
"""Adds an entry about an act to the transaction that makes its change, and returns the entry's id."""

_Pending = tuple[Job[Any], Step, "asyncio.Future[Any]"]

_MOST_JOBS = 256
_READERS = 2
_RENEW_AGAIN_S = 1.0
# secure_delete: Debian's SQLite overwrites what is deleted with zeros, which costs as much as writing it did;
# "fast" does so only where it is free.
# synchronous=FULL: a commit has reached the disk when it returns; NORMAL may lose it in a power cut.
_PRAGMAS = (
    "pragma secure_delete = fast",
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma busy_timeout = 10000",
    # What a long reader (a backup) has made the WAL grow by is given back.
    "pragma journal_size_limit = 67108864",
)
# With so little free, a file that cannot be opened needs no other explanation.
_NO_DISK_BYTES = 1024**2
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Space:
    """How many bytes of a file hold something, and how many are free within it."""

    used_bytes: int
    free_bytes: int


class Sqlite:
    """An open database. Made by ``open``; ``close`` ends its writer and its threads."""

    def __init__(self, path: Path, writer: Writer, readers: Sequence[aiosqlite.Connection]) -> None:
        self._path = path
        self._writer = writer
        self._readers = list(readers)
        self._idle: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        for reader in readers:
            self._idle.put_nowait(reader)
        self._renewing: set[asyncio.Task[None]] = set()
        self._jobs: asyncio.Queue[_Pending | None] = asyncio.Queue()
        self._refused = False
        self.on_refusal: Callable[[], None] = _nobody
        self.note: Note | None = None
        self._committing = asyncio.create_task(self._commit_groups(), name="sqlite-writer")

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[str]) -> "Sqlite":
        """Open or make the file and bring it to the newest schema.

        Raises NotNow when the file was written by a newer runsd, cannot be opened, or has no room for the
        copy that is put beside an older one.
        """
        writer = Writer()
        readers: list[aiosqlite.Connection] = []
        try:
            # This also sees if it can be opened: else aiosqlite would leave its connection's thread behind.
            await asyncio.to_thread(migrate, path, migrations)
            await writer.open(path, _PRAGMAS)
            for _ in range(_READERS):
                readers.append(await _connect(path))
        except BaseException as failure:
            for reader in readers:
                await reader.close()
            await writer.close()
            if isinstance(failure, sqlite3.Error):
                raise NotNow(f"cannot open the database {path}: {failure}{_remedy(path)}") from failure
            raise
        return cls(path, writer, readers)

    async def write(self, job: Job[T], step: Step) -> T:
        """Run a job in a durable transaction and return its value; ``step`` names its fault points.

        The job runs on a thread, and what it uses besides its connection must bear that. If it is the first
        of a caller's act that changes anything, ``note`` adds to it. Raises whatever the job raised (its
        changes are undone), or NotNow when the disk refused the commit.
        """
        act = acts.present()
        if act is None or act.entry is not None or self.note is None:
            return await self._handed_in(job, step)
        value, act.entry = await self._handed_in(_noted(job, act, self.note), step)
        return value

    async def _handed_in(self, job: Job[T], step: Step) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait((job, step, done))
        return await done

    async def serve(self) -> None:
        """Return when the writer has ended, and raise what ended it: a daemon that cannot write must go."""
        await asyncio.shield(self._committing)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend a connection that sees every commit that has returned. Raises NotNow when the disk fails."""
        reader = await self._idle.get()
        try:
            yield reader
        except BaseException as failure:
            renewing = asyncio.create_task(self._renew(reader), name="sqlite-renew")
            self._renewing.add(renewing)
            renewing.add_done_callback(self._renewing.discard)
            if isinstance(failure, sqlite3.Error):
                raise NotNow(f"cannot read from the database: {failure}", code="disk") from failure
            raise
        else:
            self._idle.put_nowait(reader)

    async def _renew(self, reader: aiosqlite.Connection) -> None:
        """Put another connection in the place of one whose user was cancelled or failed.

        A cursor may be open on it for as long as somebody holds the traceback, and would show the next reader
        what was true then. What it is still at, nobody waits for.
        """
        await reader.interrupt()
        await reader.close()
        self._readers.remove(reader)
        while True:
            try:
                fresh = await _connect(self._path)
            except sqlite3.Error as failure:
                log.error("sqlite.reader_not_opened", error=str(failure))
                await asyncio.sleep(_RENEW_AGAIN_S)
            else:
                self._readers.append(fresh)
                return self._idle.put_nowait(fresh)

    async def all(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[sqlite3.Row]:
        """Return every row of a query. Raises NotNow when the disk fails."""
        reader = await self._idle.get()
        try:
            # In one step of the connection's thread: nothing of it is left when its caller is cancelled.
            return list(await reader.execute_fetchall(sql, parameters or {}))
        except sqlite3.Error as failure:
            raise NotNow(f"cannot read from the database: {failure}", code="disk") from failure
        finally:
            self._idle.put_nowait(reader)

    async def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> sqlite3.Row | None:
        """Return the first row of a query, if any."""
        rows = await self.all(sql, parameters)
        return rows[0] if rows else None

    async def space(self) -> Space:
        """Return how full the file is."""
        async with self.reading() as reader:
            size, count, free = [
                await _pragma(reader, name) for name in ("page_size", "page_count", "freelist_count")
            ]
        return Space(size * (count - free), size * free)

    async def give_back(self, most_bytes: int) -> None:
        """Give up to so many free bytes back to the disk, in one short transaction of its own.

        A file that was made without auto_vacuum keeps them. Raises NotNow when the disk fails.
        """
        async with self.reading() as connection:
            pages = max(1, most_bytes // await _pragma(connection, "page_size"))
            # As a script: Python steps a single statement without rows once, which moves a single page.
            await connection.executescript(
                f"pragma incremental_vacuum({pages}); pragma wal_checkpoint(passive)"
            )

    async def close(self) -> None:
        """Commit what was handed in, then close."""
        self._jobs.put_nowait(None)
        await self._committing
        for renewing in self._renewing:
            renewing.cancel()
        await asyncio.gather(*self._renewing, return_exceptions=True)
        for reader in self._readers:
            await reader.close()
        await self._writer.close()

    async def _commit_groups(self) -> None:
        last = False
        while not last:
            group = [await self._jobs.get()]
            while not self._jobs.empty() and len(group) < _MOST_JOBS:
                group.append(self._jobs.get_nowait())
            last = None in group
            await self._commit([pending for pending in group if pending is not None])

    async def _commit(self, group: Sequence[_Pending]) -> None:
        try:
            ended = await self._writer.commit([(job, step) for job, step, _ in group])
        except sqlite3.Error as failure:
            self._note_refusal(failure)
            refusal = NotNow(f"cannot write to the database: {failure}; free some disk space", code="disk")
            ended = [(None, refusal) for _ in group]
        else:
            self._refused = False
        for (_, _, done), (value, raised) in zip(group, ended, strict=True):
            if done.cancelled():
                continue
            if raised is None:
                done.set_result(value)
            else:
                done.set_exception(raised)

    def _note_refusal(self, failure: sqlite3.Error) -> None:
        """Say it once: whoever wants to write tries again and again, and the log may be on the same disk."""
        if not self._refused:
            log.error("sqlite.commit_failed", error=str(failure))
        self._refused = True
        self.on_refusal()


def _noted(job: Job[T], act: Act, note: Note) -> Job[tuple[T, str | None]]:
    context = copy_context()  # of whoever hands it in: the writer's thread has another

    def whole(connection: sqlite3.Connection) -> tuple[T, str | None]:
        before, act.aside = connection.total_changes, False
        value = context.run(job, connection)
        if act.aside or connection.total_changes == before:
            return value, None
        return value, note(connection, act)

    return whole


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            await connection.execute_fetchall(pragma)
    except BaseException:
        await connection.close()
        raise
    return connection


def statements(path: Path) -> dict[str, str]:
    """Read a file of SQL in which ``-- name: x`` stands above each statement."""
    parts = re.split(r"^-- name: (\w+)\n", path.read_text(), flags=re.MULTILINE)
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


@contextmanager
def whole_or_not(db: sqlite3.Connection) -> Iterator[None]:
    """Undo what a part of a job has written if it raises; the job may go on with that."""
    db.execute("savepoint part")
    try:
        yield
    except BaseException:
        db.execute("rollback to part")
        raise
    finally:
        db.execute("release part")


async def _pragma(connection: aiosqlite.Connection, name: str) -> int:
    return int(next(iter(await connection.execute_fetchall(f"pragma {name}")))[0])


def _nobody() -> None:
    """Tell nobody."""


def _remedy(path: Path) -> str:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return ""
    if disk.f_bavail * disk.f_frsize > _NO_DISK_BYTES:
        return ""
    return f"; the disk that holds {path.parent} is full: free some space there, then start runsd again"
