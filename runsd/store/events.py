"""The events: every change of a run, in the order in which it was committed."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from runsd_sdk.run import Event

from runsd.sqlite import Sqlite
from runsd.store.rows import event_of

_INSERT = """
insert into events (run_id, project, at_us, type, data)
select id, project, :now, :type, :data from runs where id = :id
"""
_AFTER = """
select * from events
where project = :project and id > :after
order by id limit :limit
"""
_OF_RUN = """
select * from events
where run_id = :run_id and project = :project and id > :after
order by id limit :limit
"""
_LATEST = "select * from events where run_id = :run_id and type = :type order by id desc limit 1"
_NEWEST = "select id from events where project = :project and id > :after order by id desc limit 1"
_NEWEST_OF_RUN = """
select id from events where run_id = :run_id and project = :project and id > :after order by id desc limit 1
"""
_LAST = "select coalesce(max(id), 0) from events"


def add_event(db: sqlite3.Connection, run_id: str, now: int, type: str, data: Mapping[str, Any]) -> None:
    """Record a change of a run inside the transaction that makes it."""
    add_events(db, [run_id], now, type, data)


def add_events(
    db: sqlite3.Connection, run_ids: Iterable[str], now: int, type: str, data: Mapping[str, Any]
) -> None:
    """Record the same change of several runs inside the transaction that makes it."""
    said = {"now": now, "type": type, "data": json.dumps(data)}
    db.executemany(_INSERT, [{"id": run_id, **said} for run_id in run_ids])


class Events:
    """The table of events, read by page."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def after(
        self, project: str, after: int, *, run_id: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Return up to ``limit`` events with an id greater than ``after``, oldest first."""
        sql = _AFTER if run_id is None else _OF_RUN
        given = {"project": project, "after": after, "run_id": run_id, "limit": limit}
        return [event_of(row) for row in await self._db.all(sql, given)]

    async def latest(self, run_id: str, type: str) -> Event | None:
        """Return a run's newest event of a type, if there is one."""
        row = await self._db.one(_LATEST, {"run_id": run_id, "type": type})
        return None if row is None else event_of(row)

    async def newest(self, project: str, *, after: int, run_id: str | None = None) -> int | None:
        """Return the id of the newest event after that one, if there is one."""
        sql = _NEWEST if run_id is None else _NEWEST_OF_RUN
        row = await self._db.one(sql, {"project": project, "after": after, "run_id": run_id})
        return None if row is None else int(row["id"])

    async def last_id(self) -> int:
        """Return the id of the newest event, or 0."""
        row = await self._db.one(_LAST)
        return int(row[0]) if row else 0
