"""What Python runs have besides other runs: commit and lock that were settled, and what came of them."""

import json
import sqlite3

from runsd_sdk.run import RunProblem

from runsd.faults import Step
from runsd.sqlite import Sqlite
from runsd.store.attempts import Work
from runsd.store.returned import Returned

_SETTLE_COMMIT = """
update runs set source_commit = :commit
where id = :id and attempt = :attempt and phase not in ('queued', 'finished')
"""
_SETTLE_LOCK = """
insert into programs (run_id, lock) select id, :lock from runs
where id = :id and attempt = :attempt and phase not in ('queued', 'finished')
on conflict (run_id) do update set lock = excluded.lock
"""
_INHERIT_LOCK = "insert into programs (run_id, lock) select :id, lock from programs where run_id = :from"


class Programs:
    """The table of programs."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def lock(self, run_id: str) -> str | None:
        """Return the lock of a run's packages, once they are resolved."""
        row = await self._db.one("select lock from programs where run_id = :id", {"id": run_id})
        return None if row is None else row["lock"]

    async def returned(self, run_id: str) -> Returned:
        """Return what the last attempt left behind."""
        sql = "select return_value, problems from programs where run_id = :id"
        row = await self._db.one(sql, {"id": run_id})
        if row is None:
            return Returned()
        return Returned(
            row["return_value"],
            tuple(RunProblem.model_validate(each) for each in json.loads(row["problems"] or "[]")),
        )

    async def settle_commit(self, work: Work, commit: str) -> None:
        """Record which commit the source is, once and for all."""

        def job(db: sqlite3.Connection) -> None:
            db.execute(_SETTLE_COMMIT, {"id": work.id, "attempt": work.attempt, "commit": commit})

        await self._db.write(job, Step.COMMIT_SETTLED)

    async def settle_lock(self, work: Work, lock: str) -> None:
        """Record which packages it runs with, once and for all."""

        def job(db: sqlite3.Connection) -> None:
            db.execute(_SETTLE_LOCK, {"id": work.id, "attempt": work.attempt, "lock": lock})

        await self._db.write(job, Step.LOCK_SETTLED)


def inherit_lock(db: sqlite3.Connection, run_id: str, before: str) -> None:
    """Give a rerun the lock of the run before, within the transaction of its submission."""
    db.execute(_INHERIT_LOCK, {"id": run_id, "from": before})
