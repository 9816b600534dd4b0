"""The projects, all of them in memory too: to ask who may use which costs a request nothing."""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runsd_sdk.project import Member, Project, ProjectLimits
from runsd_sdk.python import GitSource

from runsd import acts
from runsd.access import DEFAULT_PROJECT, unknown
from runsd.clock import Clock, instant
from runsd.errors import Conflicting, Full
from runsd.faults import Step
from runsd.sqlite import Sqlite

_ALL = "select name, created_us, repository, limits from projects where deleting_us is null order by name"
_MEMBERS = "select project, uid, name from project_members order by project, uid"
_INSERT = """
insert into projects (name, created_us, repository, limits) values (:name, :now, :repository, :limits)
on conflict do nothing returning name
"""
_SET_REPOSITORY = "update projects set repository = :repository where name = :name"
_SET_LIMITS = "update projects set limits = :limits where name = :name"
_JOIN = "insert into project_members (project, uid, name) values (:project, :uid, :name)"
_LEAVE = "delete from project_members where project = :name"
# Counted only where there is a limit: a queue of 100,000 takes some milliseconds, with every run that comes.
_FULL = """
select 1 from projects where name = :name and json_extract(limits, '$.queued') is not null
    and json_extract(limits, '$.queued') < :more + (
        select count(*) from runs where phase = 'queued' and project = :name
    )
"""
_EXISTS = "select 1 from projects where name = :name and deleting_us is null"
_DELETE = "update projects set deleting_us = :now where name = :name and deleting_us is null returning name"
_DELETE_KEYS = "delete from keys where project = :name"
_LIVE = "select 1 from runs where project = :name and status in ('pending', 'running') limit 1"
_VOLUME = "select 1 from volumes where project = :name limit 1"
_WEBHOOK = "select 1 from webhooks where project = :name and deleted_us is null limit 1"
_TASK = "select 1 from tasks where project = :name limit 1"
_IN_USE = {
    "runs that are not over; cancel": _LIVE,
    "volumes; delete": _VOLUME,
    "webhooks; delete": _WEBHOOK,
    "tasks; delete": _TASK,
}
_FORGET_SECRETS = "delete from secrets where project = :name"
_DELETED = "select name from projects where deleting_us is not null order by name limit 1"
_OLD_RUNS = "select id from runs where project = :name order by id limit :limit"
_FORGET_EVENTS = """
delete from events where id in (select id from events where project = :name order by id limit :limit)
returning id
"""
_FORGET_KEYS = "delete from idempotency_keys where project = :name"
_FORGET = """
delete from projects where name = :name and deleting_us is not null
    and not exists (select 1 from runs where project = :name)
"""

_NO_LIMITS = ProjectLimits()


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be different: members and limits if given, and the repository if it is to be set."""

    members: Sequence[Member] | None = None
    limits: ProjectLimits | None = None
    repository: GitSource | None = None
    set_repository: bool = False


class Projects:
    """The table of projects. Made by ``load``."""

    def __init__(self, db: Sqlite, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._known: dict[str, Project] = {}
        self._of_uid: dict[int, frozenset[str]] = {}
        self._looking = asyncio.Lock()

    @classmethod
    async def load(cls, db: Sqlite, *, clock: Clock) -> "Projects":
        """Return the table as it is."""
        projects = cls(db, clock=clock)
        await projects._look()
        return projects

    def __contains__(self, name: object) -> bool:
        """Say whether there is a project of that name."""
        return name in self._known

    def of_user(self, uid: int) -> frozenset[str]:
        """Return the projects that a user of this host is a member of."""
        return self._of_uid.get(uid, frozenset())

    def get(self, name: str) -> Project:
        """Return a project. Raises Unknown."""
        if name not in self._known:
            raise unknown(name)
        return self._known[name]

    def all(self) -> Sequence[Project]:
        """Return every project by name."""
        return list(self._known.values())

    def limits(self, name: str) -> ProjectLimits:
        """Return what a project may have; one that is being deleted has nothing to start."""
        project = self._known.get(name)
        return ProjectLimits() if project is None else project.limits

    async def create(
        self,
        name: str,
        members: Iterable[Member],
        *,
        repository: GitSource | None = None,
        limits: ProjectLimits = _NO_LIMITS,
    ) -> Project:
        """Make a project. Raises Conflicting for a name in use."""

        def job(db: sqlite3.Connection) -> bool:
            given = {"name": name, "now": self._clock(), "repository": _json(repository)}
            given["limits"] = limits.model_dump_json(by_alias=True)
            if not db.execute(_INSERT, given).fetchall():
                return False
            _join(db, name, members)
            acts.about(name, name)
            return True

        if not await self._db.write(job, Step.CHANGE):
            why = "that name is in use" if name in self._known else "one of that name is still being deleted"
            raise Conflicting(f"cannot make project {name!r}: {why}; choose another")
        await self._look()
        return self.get(name)

    async def change(self, name: str, change: "Change") -> Project:
        """Change what is said of a project. Raises Unknown."""

        def job(db: sqlite3.Connection) -> bool:
            if not db.execute(_EXISTS, {"name": name}).fetchall():
                return False
            acts.about(name, name)
            if change.members is not None:
                db.execute(_LEAVE, {"name": name})
                _join(db, name, change.members)
            if change.limits is not None:
                said = change.limits.model_dump_json(by_alias=True)
                db.execute(_SET_LIMITS, {"name": name, "limits": said})
            if change.set_repository:
                db.execute(_SET_REPOSITORY, {"name": name, "repository": _json(change.repository)})
            return True

        if not await self._db.write(job, Step.CHANGE):
            raise unknown(name)
        await self._look()
        return self.get(name)

    async def delete(self, name: str) -> None:
        """Let nobody see a project any more; what it has is forgotten later. Its usage stays on record.

        Raises Unknown, and Conflicting for the default project and one with live runs, volumes or webhooks.
        """
        if name == DEFAULT_PROJECT:
            raise Conflicting(f"cannot delete project {name!r}: it always exists")

        def job(db: sqlite3.Connection) -> bool:
            given = {"name": name, "now": self._clock()}
            for what, sql in _IN_USE.items():
                if db.execute(sql, given).fetchall():
                    raise Conflicting(
                        f"cannot delete project {name!r}: it has {what} them first", code="project_in_use"
                    )
            acts.about(name, name)
            db.execute(_LEAVE, given)
            db.execute(_FORGET_SECRETS, given)
            db.execute(_DELETE_KEYS, given)
            return bool(db.execute(_DELETE, given).fetchall())

        if not await self._db.write(job, Step.CHANGE):
            raise unknown(name)
        await self._look()

    async def deleted(self) -> str | None:
        """Return a project that is being deleted, if there is one."""
        row = await self._db.one(_DELETED)
        return None if row is None else str(row["name"])

    async def old_runs(self, name: str, limit: int) -> list[str]:
        """Return the ids of some runs of a project that is being deleted; all of them are over."""
        return [row["id"] for row in await self._db.all(_OLD_RUNS, {"name": name, "limit": limit})]

    async def forget_events(self, name: str, limit: int) -> bool:
        """Delete some events of a project; say whether there may be more."""

        def job(db: sqlite3.Connection) -> int:
            return len(db.execute(_FORGET_EVENTS, {"name": name, "limit": limit}).fetchall())

        return await self._db.write(job, Step.FORGET_EVENTS) == limit

    async def forget(self, name: str) -> None:
        """Delete the row of a project that has nothing any more: its name is free again."""

        def job(db: sqlite3.Connection) -> None:
            db.execute(_FORGET_KEYS, {"name": name})
            db.execute(_FORGET, {"name": name})

        await self._db.write(job, Step.FORGET)

    async def _look(self) -> None:
        async with self._looking:  # what was seen before a change is not to come after it
            await self._see()

    async def _see(self) -> None:
        members: dict[str, list[Member]] = {}
        of_uid: dict[int, set[str]] = {}
        for row in await self._db.all(_MEMBERS):
            members.setdefault(row["project"], []).append(Member(uid=row["uid"], user=row["name"]))
            of_uid.setdefault(row["uid"], set()).add(row["project"])
        self._known = {
            row["name"]: Project(
                name=row["name"],
                members=members.get(row["name"], []),
                repository=_repository(row["repository"]),
                limits=ProjectLimits.model_validate_json(row["limits"]),
                created_at=instant(row["created_us"]) if row["created_us"] else None,
            )
            for row in await self._db.all(_ALL)
        }
        self._of_uid = {uid: frozenset(names) for uid, names in of_uid.items()}


def require_project(db: sqlite3.Connection, name: str) -> None:
    """Raise Unknown within a transaction that would give something to a project that was just deleted."""
    if not db.execute(_EXISTS, {"name": name}).fetchall():
        raise unknown(name)


def require_room(db: sqlite3.Connection, name: str, *, more: int) -> None:
    """Raise Full within a transaction that would give a project more queued runs than it may have."""
    for _ in db.execute(_FULL, {"name": name, "more": more}).fetchall():
        said = "cannot accept this: it would be more queued runs than its project may have (limits.queued)"
        raise Full(f"{said}; wait for some to start, or have an admin raise the limit")


def _join(db: sqlite3.Connection, name: str, members: Iterable[Member]) -> None:
    unique = {member.uid: member for member in members}
    db.executemany(_JOIN, [{"project": name, "uid": m.uid, "name": m.user} for m in unique.values()])


def _json(repository: GitSource | None) -> str | None:
    return None if repository is None else repository.model_dump_json(by_alias=True)


def _repository(text: str | None) -> GitSource | None:
    return None if text is None else GitSource.model_validate_json(text)
