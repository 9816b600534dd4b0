"""The writer of a SQLite file: one connection on a thread of its own, for whole transactions at a time."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from runsd import faults
from runsd.faults import Step

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Something to do within a transaction. What it raises is its caller's, unless the disk is to blame."""

Ended = tuple[Any, Exception | None]
"""What a job returned, or what it raised."""

log = structlog.get_logger()


class Writer:
    """A connection that nobody else uses, and its thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._connection: sqlite3.Connection | None = None

    async def open(self, path: Path, pragmas: Iterable[str]) -> None:
        """Open the file. Raises sqlite3.Error."""
        self._connection = await self._visit(_opened, path, pragmas)

    async def commit(self, jobs: Sequence[tuple[Job[Any], Step]]) -> Sequence[Ended]:
        """Carry out jobs in one transaction, each whole or not at all, and return what came of each.

        It is durable when this returns. Raises sqlite3.Error when nothing of it is stored.
        """
        return await self._visit(_committed, self._connection, jobs)

    async def close(self) -> None:
        """Close the file, if it is open, and end the thread."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._visit(connection.close)
        self._thread.shutdown()

    async def _visit(self, call: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *given)


def _opened(path: Path, pragmas: Iterable[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _committed(connection: sqlite3.Connection, jobs: Sequence[tuple[Job[Any], Step]]) -> Sequence[Ended]:
    ended: list[Ended] = []
    try:
        connection.execute("begin immediate")
        for job, step in jobs:
            ended.append(_carried_out(job, connection))
            faults.before(step)
        connection.execute("commit")
        for _, step in jobs:
            faults.after(step)
    except sqlite3.Error:
        _roll_back(connection)
        raise
    return ended


def _carried_out(job: Job[Any], connection: sqlite3.Connection) -> Ended:
    connection.execute("savepoint job")
    try:
        value = job(connection)
    except sqlite3.OperationalError:
        raise  # the disk or the file: the whole group has failed
    except Exception as failure:  # whatever it is belongs to the job's caller
        connection.execute("rollback to job")
        connection.execute("release job")
        return None, failure
    connection.execute("release job")
    return value, None


def _roll_back(connection: sqlite3.Connection) -> None:
    """Leave the transaction; SQLite may have left it already, and on a bad disk even this can fail."""
    if connection.in_transaction:
        try:
            connection.execute("rollback")
        except sqlite3.Error as failure:
            log.error("sqlite.rollback_failed", error=str(failure))
