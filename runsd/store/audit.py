"""The audit: an entry for each change that a caller makes, in the transaction of the change itself."""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from runsd_sdk.audit import AuditEntry, AuditList, AuditResult

from runsd import acts
from runsd.acts import Act
from runsd.clock import Clock, instant
from runsd.faults import Step
from runsd.ids import Ids, earliest
from runsd.sqlite import Sqlite, statements

SQL = statements(Path(__file__).with_name("audit.sql"))
MOST_EXAMINED = 20_000
"""How far down a page looks for entries that match before it ends early, with a cursor."""

_PREFIX = "aud"
_AFTER_ALL_IDS = "~"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: of a project or, with None, of all; ``who`` is also known as ``whos``.

    ``action`` may be the noun alone. Those from ``since_us`` on and before ``until_us``.
    """

    project: str | None
    who: str | None = None
    whos: Collection[str] = ()
    action: str | None = None
    since_us: int = 0
    until_us: int | None = None
    limit: int = 50
    cursor: str | None = None


class Audit:
    """The table of entries. Made for a database, it adds one to whatever an act changes there."""

    def __init__(self, db: Sqlite, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._new_id = Ids(clock).new
        db.note = self._note

    async def add(self, act: Act) -> None:
        """Add the entry of an act that has changed something outside the database."""

        def job(db: sqlite3.Connection) -> str:
            acts.leave_aside()  # it is the entry itself
            return self._note(db, act)

        act.entry = await self._db.write(job, Step.AUDIT)

    async def add_refused(self, refused: Sequence[Act]) -> None:
        """Add entries of what was refused."""

        def job(db: sqlite3.Connection) -> None:
            for act in refused:
                _insert(db, act, self._new_id, self._clock(), AuditResult.REFUSED)

        await self._db.write(job, Step.AUDIT)

    async def fail(self, act: Act) -> None:
        """Say of an act that has its entry that it was answered with an error all the same."""
        await self._db.write(lambda db: db.execute(SQL["fail"], {"id": act.entry}).rowcount, Step.AUDIT)

    async def page(self, wanted: AuditFilter) -> AuditList:
        """Return a page of entries, newest first. It ends early, with a cursor, where few of many match."""
        of = "" if wanted.project is None else "_of_project"
        before = _AFTER_ALL_IDS if wanted.until_us is None else earliest(_PREFIX, wanted.until_us)
        given = {
            "project": wanted.project,
            "who": wanted.who,
            "whos": json.dumps(sorted(wanted.whos)),
            "action": wanted.action,
            "before": min(before, wanted.cursor or _AFTER_ALL_IDS),
            "oldest": earliest(_PREFIX, wanted.since_us),
            "limit": wanted.limit + 1,
            "examined": MOST_EXAMINED - 1,
        }
        floor = await self._db.one(SQL[f"floor{of}"], given)
        if floor is not None:
            given["oldest"] = floor["id"]
        rows = await self._db.all(SQL[f"page{of}"], given)
        shown = [_entry(row) for row in rows[: wanted.limit]]
        if len(rows) > wanted.limit:
            return AuditList(data=shown, next_cursor=shown[-1].id)
        return AuditList(data=shown, next_cursor=None if floor is None else floor["id"])

    async def forget(self, before_us: int, limit: int) -> int:
        """Forget some of the entries from before an instant, the oldest first; return how many."""
        oldest = earliest(_PREFIX, before_us)

        def job(db: sqlite3.Connection) -> int:
            return len(db.execute(SQL["forget"], {"oldest": oldest, "limit": limit}).fetchall())

        if await self._db.one(SQL["old"], {"oldest": oldest}) is None:
            return 0
        return await self._db.write(job, Step.FORGET_AUDIT)

    def _note(self, db: sqlite3.Connection, act: Act) -> str:
        return _insert(db, act, self._new_id, self._clock(), AuditResult.DONE)


def note_beside(db: sqlite3.Connection, act: Act, *, clock: Clock) -> None:
    """Add the entry of what was done beside the daemon, within a transaction.

    A database that no daemon of today has opened yet has no place for it.
    """
    if db.execute("pragma table_info(audit)").fetchall():
        _insert(db, act, Ids(clock).new, clock(), AuditResult.DONE)


def _insert(
    db: sqlite3.Connection, act: Act, new_id: Callable[[str], str], now: int, result: AuditResult
) -> str:
    id = new_id(_PREFIX)
    given = {
        "id": id,
        "at_us": now,
        "who": act.who,
        "name": act.name,
        "address": act.address,
        "action": act.action,
        "project": act.project,
        "object": act.object,
        "count": act.count,
        "result": result.value,
    }
    db.execute(SQL["insert"], given)
    return id


def _entry(row: sqlite3.Row) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        time=instant(row["at_us"]),
        who=row["who"],
        name=row["name"],
        address=row["address"],
        action=row["action"],
        project=row["project"],
        object=row["object"],
        count=row["count"],
        result=row["result"],
    )
