"""What is kept of the output of runs: how much it is, of which runs, and deleting it a little at a time."""

import json
import sqlite3
from collections.abc import Sequence

from runsd.faults import Step
from runsd.sqlite import Sqlite

# One transaction deletes no more than this, so that output on its way to the disk hardly waits.
_MOST_CHUNKS = 256
_MOST_BYTES = 16 * 1024**2
_MOST_ROWS = 1000

_CHUNKS = """
select id, length(data) as size from chunks
where run_id in (select value from json_each(:ids)) limit :limit
"""
_OTHERS = """
select 1 from samples where run_id in (select value from json_each(:ids))
union all select 1 from telemetry where run_id in (select value from json_each(:ids))
union all select 1 from call_samples where run_id in (select value from json_each(:ids)) limit 1
"""
_DROP_CHUNKS = "delete from chunks where id in (select value from json_each(:chunks))"
_DROP_SAMPLES = """
delete from samples where (run_id, attempt, at_us) in (
    select run_id, attempt, at_us from samples
    where run_id in (select value from json_each(:ids)) limit :limit
)
"""
_DROP_TELEMETRY = """
delete from telemetry where (run_id, attempt, kind, key) in (
    select run_id, attempt, kind, key from telemetry
    where run_id in (select value from json_each(:ids)) limit :limit
)
"""
_DROP_CALLS = """
delete from call_samples where (run_id, attempt, at_us) in (
    select run_id, attempt, at_us from call_samples
    where run_id in (select value from json_each(:ids)) limit :limit
)
"""
# Each step looks up the next greater id: the cost is that of the runs, not of their chunks.
_RUN_IDS = """
with recursive found (run_id) as (
    select min(run_id) from {table} where run_id > :after
    union all
    select (select min(run_id) from {table} where run_id > found.run_id) from found
    where found.run_id is not null limit :limit
)
select run_id from found where run_id is not null
"""


class KeptLogs:
    """Output, samples and telemetry in ``logs.db``, as whoever deletes them sees it."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def used_bytes(self) -> int:
        """Return how much of the file is in use, with what is needed to find things in it."""
        return (await self._db.space()).used_bytes

    async def run_ids(self, after: str, limit: int) -> list[str]:
        """Return the next ids, in their order, of runs of which something is kept."""
        found: set[str] = set()
        for table in ("chunks", "samples", "telemetry", "call_samples"):
            rows = await self._db.all(_RUN_IDS.format(table=table), {"after": after, "limit": limit})
            found |= {row["run_id"] for row in rows}
        return sorted(found)[:limit]

    async def forget(self, run_id: str) -> None:
        """Delete all output, samples and telemetry of a run."""
        while await self.forget_some([run_id]):
            pass

    async def forget_some(self, run_ids: Sequence[str]) -> bool:
        """Delete some of what is kept of runs, in one short transaction; say if there was any."""
        ids = json.dumps(run_ids)
        chunks = await self._few(ids)
        if not chunks and await self._db.one(_OTHERS, {"ids": ids}) is None:
            return False

        def job(db: sqlite3.Connection) -> None:
            db.execute(_DROP_CHUNKS, {"chunks": json.dumps(chunks)})
            db.execute(_DROP_SAMPLES, {"ids": ids, "limit": _MOST_ROWS})
            db.execute(_DROP_TELEMETRY, {"ids": ids, "limit": _MOST_ROWS})
            db.execute(_DROP_CALLS, {"ids": ids, "limit": _MOST_ROWS})

        await self._db.write(job, Step.FORGET_LOGS)
        return True

    async def _few(self, ids: str) -> list[int]:
        chunks: list[int] = []
        size = 0
        for row in await self._db.all(_CHUNKS, {"ids": ids, "limit": _MOST_CHUNKS}):
            chunks.append(row["id"])
            size += row["size"]
            if size >= _MOST_BYTES:
                break
        return chunks
