"""What may be forgotten of the store: ended runs, that they have a log, events, old keys; never the bill.

Every method is one short transaction at most. Nothing here touches a run that is not over, a volume, or a
line of usage.
"""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from runsd.clock import Clock
from runsd.faults import Step
from runsd.sqlite import Sqlite, statements
from runsd.store.events import add_events
from runsd.store.idempotency import KEY_LIFETIME_US

SQL = statements(Path(__file__).with_name("retention.sql"))
_EVENTS = 500
_KEYS = 500


class Retention:
    """The store as the janitor sees it."""

    def __init__(self, db: Sqlite, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def count_ended(self) -> int:
        """Count the runs that are over."""
        row = await self._db.one(SQL["count_ended"])
        return int(row[0]) if row else 0

    async def ended(self, before_us: int, limit: int) -> list[str]:
        """Return the ids of the oldest runs that ended before an instant."""
        rows = await self._db.all(SQL["ended"], {"before": before_us, "limit": limit})
        return [row["id"] for row in rows]

    async def with_log(self, before_us: int, limit: int) -> list[str]:
        """Return the ids of the oldest runs that ended before an instant and whose output is kept."""
        rows = await self._db.all(SQL["with_log"], {"before": before_us, "limit": limit})
        return [row["id"] for row in rows]

    async def without_log(self, run_ids: Sequence[str]) -> list[str]:
        """Return those of these ids that should have no output: marked, or of no known run."""
        rows = await self._db.all(SQL["without_log"], {"ids": json.dumps(run_ids)})
        return [row["id"] for row in rows]

    async def mark_logs_deleted(self, run_ids: Sequence[str]) -> None:
        """Put on record that the output of ended runs is deleted, before the first byte of it goes."""

        def job(db: sqlite3.Connection) -> None:
            db.execute(SQL["mark"], {"ids": json.dumps(run_ids), "now": self._clock()})

        await self._db.write(job, Step.MARK_LOGS)

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete ended runs with their attempts and labels; their lines on the bill stay."""

        def job(db: sqlite3.Connection) -> None:
            add_events(db, run_ids, self._clock(), "run.deleted", {"by": "retention"})
            db.execute(SQL["forget"], {"ids": json.dumps(run_ids)})

        await self._db.write(job, Step.FORGET)

    async def newest_event(self) -> int:
        """Return the id of the newest event, or 0."""
        row = await self._db.one(SQL["newest_event"])
        return int(row["id"] or 0) if row else 0

    async def forget_events(self, after: int, *, before_us: int, upto: int) -> int | None:
        """Look at the next events after an id, and delete those older than an instant or up to another id.

        Events of runs that are not over stay. Returns the id after which to go on, None when all that follow
        are young.
        """
        rows = await self._db.all(SQL["events"], {"after": after, "limit": _EVENTS})
        old = [row["id"] for row in rows if row["at_us"] < before_us or row["id"] <= upto]
        if not old:
            return None

        def job(db: sqlite3.Connection) -> None:
            db.execute(SQL["forget_events"], {"ids": json.dumps(old)})

        await self._db.write(job, Step.FORGET_EVENTS)
        return int(rows[-1]["id"])

    async def forget_keys(self) -> bool:
        """Drop some idempotency keys that are older than a day; say whether there were any."""
        oldest = self._clock() - KEY_LIFETIME_US
        if await self._db.one(SQL["old_key"], {"oldest": oldest}) is None:
            return False

        def job(db: sqlite3.Connection) -> None:
            db.execute(SQL["forget_keys"], {"oldest": oldest, "limit": _KEYS})

        await self._db.write(job, Step.FORGET_KEYS)
        return True
