"""A project's part of the queue: what it has live, and what waits in the order of claim."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiosqlite
from runsd_sdk.run import Queue, Run

from runsd.sqlite import Sqlite, statements
from runsd.store.rows import run_of

SQL = statements(Path(__file__).with_name("runs.sql"))
_MOST_BYTES = 4 * 1024**2


async def queue_of(db: Sqlite, project: str, *, limit: int, price_usd: Decimal) -> Queue:
    """Return the first of both, and how many there are of each."""
    given = {"project": project, "limit": limit}
    async with db.reading() as reader:
        running = await _first(reader, SQL["live_runs"], given, price_usd)
        waiting = await _first(reader, SQL["queued_runs"], given, price_usd)
        (counts,) = await reader.execute_fetchall(SQL["counts"], given)
    return Queue(running=running, waiting=waiting, live=counts["live"], queued=counts["queued"])


async def _first(
    reader: aiosqlite.Connection, sql: str, given: Mapping[str, Any], price_usd: Decimal
) -> list[Run]:
    """Return the runs of a query, fewer where their specs are very large."""
    runs: list[Run] = []
    size = 0
    async with reader.execute(sql, given) as rows:
        async for row in rows:
            if size > _MOST_BYTES:
                break
            runs.append(run_of(row, price_usd))
            size += len(row["spec"])
    return runs
