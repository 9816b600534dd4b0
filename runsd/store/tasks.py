"""The tasks: saved runs by name, each with the versions that it has had."""

import builtins
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runsd_sdk.quantity import format_bytes
from runsd_sdk.run import Status
from runsd_sdk.spec import RunSpec
from runsd_sdk.task import Hook, ScheduleSpec, Task, TaskRun, TaskVersion

from runsd import acts
from runsd.clock import Clock, instant, instant_or_none
from runsd.errors import Conflicting, Unknown
from runsd.faults import Step
from runsd.sqlite import Sqlite, statements
from runsd.store import hooks, schedules
from runsd.store.idempotency import Key, keep, replayed
from runsd.store.projects import require_project
from runsd.store.rows import phase_of
from runsd.store.specs import said_in, shown_spec
from runsd.store.volumes import resolve_mounts

SQL = statements(Path(__file__).with_name("tasks.sql"))
MOST_TASKS = 1000
"""How many tasks a project may have."""

MOST_SPEC_BYTES = 64 * 1024**2
"""How long the specs of all versions of all tasks of a project may be together: one answer lists them."""

KEPT_VERSIONS = 100
"""So many versions of a task are kept in any case, and the older ones of which there is a run."""


@dataclass(frozen=True, slots=True)
class Created:
    """A task that was asked for; ``replayed`` when an earlier request had made it."""

    task: Task
    replayed: bool


class Tasks:
    """The table of tasks. Wherever a task is named, its id does as well as its name."""

    def __init__(self, db: Sqlite, *, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id

    async def create(
        self,
        project: str,
        name: str,
        spec: RunSpec,
        *,
        schedule: ScheduleSpec | None = None,
        token: str | None = None,
        key: Key | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Created:
        """Make a task, with a hook if there is a ``token`` for one.

        ``check`` may raise what forbids to keep any more; a repetition is answered all the same. Raises
        Conflicting when its name is taken or there are too many, Refused for an unknown volume.
        """

        def job(db: sqlite3.Connection) -> Created:
            now = self._clock()
            if key is not None and (ids := replayed(db, project, key, now)) is not None:
                return Created(_repeated(db, project, ids[0], now), replayed=True)
            check()
            require_project(db, project)
            _require_fewer(db, project)
            resolve_mounts(db, project, [spec], one=True)  # it is said now, not in the night
            id = self._new_id("task")
            given = {"id": id, "project": project, "name": name, "now": now, "spec": _text(spec)}
            if not db.execute(SQL["insert"], given).fetchall():
                raise _taken(name)
            acts.about(project, id)
            db.execute(SQL["insert_version"], {**given, "number": 1})
            _require_room(db, project)
            if schedule is not None:
                schedules.put(db, id, schedule, now)
            if token is not None:
                hooks.put(db, id, token, None, now)
            if key is not None:
                keep(db, project, key, [id], now)
            return Created(_read(db, project, id, now), replayed=False)

        return await self._db.write(job, Step.TASK)

    async def list(self, project: str) -> list[Task]:
        """Return all tasks, by name."""
        now = self._clock()
        return [_task(row, now) for row in await self._db.all(SQL["list"], {"project": project})]

    async def get(self, project: str, task: str) -> Task:
        """Return a task. Raises Unknown."""
        found = await self.find(project, task)
        if found is None:
            raise _unknown(task)
        return found

    async def find(self, project: str, task: str) -> Task | None:
        """Return a task, if there is one."""
        row = await self._db.one(SQL["get"], {"project": project, "task": task})
        return None if row is None else _task(row, self._clock())

    async def said(self, task: Task) -> dict[str, Any]:
        """Return what a task's spec says, also where it is refused by now."""
        if task.problem is None:
            return task.spec.wire()
        row = await self._db.one(SQL["get"], {"project": task.project, "task": task.id})
        return {} if row is None else said_in(row["spec"])

    async def versions(self, project: str, task: str) -> builtins.list[TaskVersion]:
        """Return the versions of a task, newest first. Raises Unknown."""
        found = await self.get(project, task)
        return [_version(row) for row in await self._db.all(SQL["versions"], {"id": found.id})]

    async def change(
        self,
        before: Task,
        *,
        name: str | None = None,
        spec: RunSpec | None = None,
        schedule: ScheduleSpec | None = None,
        unscheduled: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> Task:
        """Rename a task, give it another spec, which makes a version, or another schedule, or none.

        ``check`` may raise what forbids to keep any more; a pause asks for nothing. Raises Conflicting when
        it has another version than ``before`` by now, is gone, or the name is taken.
        """

        def job(db: sqlite3.Connection) -> Task:
            now = self._clock()
            acts.about(before.project, before.id)
            another = spec is not None and (before.problem is not None or spec.wire() != before.spec.wire())
            if another or (schedule is not None and not schedule.paused):
                check()
            given: dict[str, Any] = {
                "id": before.id, "seen": before.version, "number": before.version + another,
                "name": name or before.name, "now": now,
            }  # fmt: skip
            try:
                changed = db.execute(SQL["change"], given).fetchall()
            except sqlite3.IntegrityError as failure:
                raise _taken(given["name"]) from failure
            if not changed:
                raise Conflicting(
                    f"cannot change {before.name!r}: somebody else has meanwhile; read it and try again",
                    code="version_conflict",
                )
            if spec is not None and another:
                resolve_mounts(db, before.project, [spec], one=True)
                db.execute(SQL["insert_version"], {**given, "spec": _text(spec)})
                db.execute(
                    SQL["forget_versions"], {"id": before.id, "before": given["number"] - KEPT_VERSIONS}
                )
                _require_room(db, before.project)
            if schedule is not None:
                schedules.put(db, before.id, schedule, now)
            elif unscheduled:
                schedules.remove(db, before.id)
            return _read(db, before.project, before.id, now)

        return await self._db.write(job, Step.TASK)

    async def delete(self, project: str, task: str) -> None:
        """Forget a task and its versions; its runs stay. Raises Unknown."""

        def job(db: sqlite3.Connection) -> bool:
            for row in db.execute(SQL["delete"], {"project": project, "task": task}).fetchall():
                acts.about(project, row["id"])
                return True
            return False

        if not await self._db.write(job, Step.TASK):
            raise _unknown(task)


def _read(db: sqlite3.Connection, project: str, id: str, now: int) -> Task:
    (row,) = db.execute(SQL["get"], {"project": project, "task": id}).fetchall()
    return _task(row, now)


def _repeated(db: sqlite3.Connection, project: str, id: str, now: int) -> Task:
    for row in db.execute(SQL["get"], {"project": project, "task": id}).fetchall():
        return _task(row, now)
    raise Conflicting("cannot repeat this request: the task that it made has been deleted; send a fresh key")


def _require_fewer(db: sqlite3.Connection, project: str) -> None:
    ((present,),) = db.execute(SQL["count"], {"project": project}).fetchall()
    if present >= MOST_TASKS:
        said = f"cannot make a task: the project has {present}, and may have no more; delete some"
        raise Conflicting(said, code="too_many_tasks")


def _require_room(db: sqlite3.Connection, project: str) -> None:
    """Look once it is written: whoever is refused leaves nothing behind."""
    ((size,),) = db.execute(SQL["size"], {"project": project}).fetchall()
    if size > MOST_SPEC_BYTES:
        most = format_bytes(MOST_SPEC_BYTES)
        said = (
            f"cannot save this: the specs of the project's tasks would be more than {most} with all versions"
        )
        raise Conflicting(f"{said}; delete some tasks, or make them anew", code="too_large_tasks")


def _text(spec: RunSpec) -> str:
    """Write what was said alone: what was not gets the host's defaults whenever it is started."""
    return json.dumps(spec.wire())


def _task(row: sqlite3.Row, now: int) -> Task:
    spec, problem = shown_spec(row["spec"])
    return Task(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        version=row["version"],
        spec=spec,
        problem=problem,
        schedule=schedules.shown(row, now),
        webhook=_hook(row),
        last_run=_last_run(row),
        created_at=instant(row["created_us"]),
        updated_at=instant(row["updated_us"]),
    )


def _hook(row: sqlite3.Row) -> Hook | None:
    if row["hook_us"] is None:
        return None
    last = instant_or_none(row["hook_last_us"])
    return Hook(secret=row["hook_secret"], created_at=instant(row["hook_us"]), last_delivery_at=last)


def _last_run(row: sqlite3.Row) -> TaskRun | None:
    if row["last_run"] is None:
        return None
    id, trigger, status, phase, stop_us, created_us, started_us, finished_us = json.loads(row["last_run"])
    return TaskRun(
        id=id,
        trigger=trigger,
        status=Status(status),
        phase=phase_of(phase, stop_us),
        created_at=instant(created_us),
        started_at=instant_or_none(started_us),
        finished_at=instant_or_none(finished_us),
    )


def _version(row: sqlite3.Row) -> TaskVersion:
    spec, problem = shown_spec(row["spec"])
    created_at = instant(row["created_us"])
    return TaskVersion(version=row["number"], spec=spec, problem=problem, created_at=created_at)


def _taken(name: str) -> Conflicting:
    return Conflicting(f"there is a task {name!r} already; change it with PATCH, or take another name")


def _unknown(task: str) -> Unknown:
    return Unknown(f"there is no task {task[:64]!r}; list them with GET /v1/tasks")
