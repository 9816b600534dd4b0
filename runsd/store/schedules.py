"""The schedules: which instants of theirs have come, and what has become of each, once and for all."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runsd_sdk.run import Run
from runsd_sdk.spec import RunSpec
from runsd_sdk.task import CatchUp, InstantOutcome, Overlap, Schedule, ScheduledInstant, ScheduleSpec

from runsd import cron, schedule
from runsd.clock import Clock, instant
from runsd.errors import Full, Refused
from runsd.faults import Step
from runsd.schedule import Move, Timing
from runsd.sqlite import Sqlite, statements, whole_or_not
from runsd.store.runs import Origin, Runs, Submission, TaskRef
from runsd.store.specs import stored_spec

SQL = statements(Path(__file__).with_name("schedules.sql"))
SHOWN = 5
_KEPT = 10_000
_FOR_EVER = 2**62


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A task as it is started by the clock, in its present version; ``spec`` runs, or says why it cannot."""

    task_id: str
    project: str
    name: str
    version: int
    spec: RunSpec | Refused


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule of which an instant may have come."""

    task: Scheduled
    timing: Timing
    through_us: int
    next_us: int
    jumped_us: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instant that has waited for other runs of its schedule to end; they have."""

    task: Scheduled
    at_us: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be noted of a schedule at one moment: the instants that have come, and the next one.

    ``spec`` is what runs, or why it cannot.
    """

    through_us: int
    instants: list[int]
    next_us: int | None
    spec: RunSpec | Refused


@dataclass(slots=True)
class Came:
    """What came of a turn: runs that were made, and those that were asked to end in their favour."""

    started: list[Run] = field(default_factory=list)
    ended: list[Run] = field(default_factory=list)


class Schedules:
    """The tables of schedules and of their instants."""

    def __init__(self, db: Sqlite, runs: Runs, *, clock: Clock) -> None:
        self._db = db
        self._runs = runs
        self._clock = clock

    async def due(self, now_us: int) -> list[Due]:
        """Return the schedules that have something to decide."""
        given = {"now": now_us, "large_step": schedule.LARGE_STEP_US}
        return [_due(row) for row in await self._db.all(SQL["due"], given)]

    async def all(self) -> list[Due]:
        """Return all schedules that are not paused."""
        return await self.due(_FOR_EVER)

    async def next_us(self, now_us: int) -> int | None:
        """Return when the next instant comes, if one does."""
        row = await self._db.one(SQL["next"], {"now": now_us})
        return None if row is None else row[0]

    async def decide(self, due: Due, turn: Turn, *, check: Callable[[], None]) -> Came | None:
        """Note what becomes of the instants that have come, and make their runs, in one transaction.

        None if the schedule or its task has been changed since it was looked at. ``check`` may raise what
        forbids to make a run: then nothing is decided.
        """

        def job(db: sqlite3.Connection) -> Came | None:
            given = {
                "id": due.task.task_id, "seen": due.through_us, "version": due.task.version,
                "through": turn.through_us, "next": turn.next_us,
            }  # fmt: skip
            if not db.execute(SQL["decide"], given).fetchall():
                return None
            came = Came()
            for at_us in turn.instants:
                if db.execute(SQL["known"], {"id": due.task.task_id, "at": at_us}).fetchall():
                    continue  # the clock was put back: it had come before
                check()
                self._come(db, due, at_us, turn.spec, came)
            db.execute(SQL["forget"], {"id": due.task.task_id, "kept": _KEPT})
            return came

        return await self._db.write(job, Step.SCHEDULED)

    async def ready(self) -> list[Waiting]:
        """Return the instants whose time to wait is over, one for each task."""
        return [Waiting(_scheduled(row), row["at_us"]) for row in await self._db.all(SQL["ready"])]

    async def in_the_way(self) -> list[str]:
        """Return the runs for whose end an instant waits."""
        return [row["id"] for row in await self._db.all(SQL["in_the_way"])]

    async def start(self, waiting: Waiting, spec: RunSpec | Refused, *, check: Callable[[], None]) -> Came:
        """Make the run of an instant that has waited, if it still does."""

        def job(db: sqlite3.Connection) -> Came:
            came, task = Came(), waiting.task
            given = {"id": task.task_id, "at": waiting.at_us, "version": task.version}
            if db.execute(SQL["still_waiting"], given).fetchall():
                check()
                self._start(db, task, waiting.at_us, spec, came)
            return came

        return await self._db.write(job, Step.SCHEDULED)

    def _come(
        self, db: sqlite3.Connection, due: Due, at_us: int, spec: RunSpec | Refused, came: Came
    ) -> None:
        id = due.task.task_id
        live = [row["id"] for row in db.execute(SQL["live"], {"id": id}).fetchall()]
        ((waiting,),) = db.execute(SQL["count_waiting"], {"id": id}).fetchall()
        match schedule.move(due.timing.overlap, live=len(live), waiting=waiting):
            case Move.START:
                self._start(db, due.task, at_us, spec, came)
            case Move.SKIP:
                behind = f"{live[0]} was not over" if live else f"{waiting} instants were waiting"
                _note(db, id, at_us, InstantOutcome.SKIPPED, message=behind)
            case Move.WAIT:
                _note(db, id, at_us, InstantOutcome.WAITING)
            case Move.REPLACE:
                db.execute(SQL["drop_waiting"], {"id": id, "message": "replaced by a later one"})
                ended = (self._runs.ask_to_end(db, due.task.project, run, self._clock()) for run in live)
                came.ended += [run for run in ended if run is not None]
                _note(db, id, at_us, InstantOutcome.WAITING)

    def _start(
        self, db: sqlite3.Connection, task: Scheduled, at_us: int, spec: RunSpec | Refused, came: Came
    ) -> None:
        try:
            if isinstance(spec, Refused):
                raise spec
            with whole_or_not(db):
                (run,) = self._runs.insert(db, _submission(task, at_us, spec), self._clock())
        except (Refused, Full) as failure:
            _note(db, task.task_id, at_us, InstantOutcome.REFUSED, message=str(failure))
        else:
            _note(db, task.task_id, at_us, InstantOutcome.STARTED, run_id=run.id)
            came.started.append(run)


def put(db: sqlite3.Connection, task_id: str, spec: ScheduleSpec, now_us: int) -> None:
    """Set a task's schedule inside somebody else's transaction. Raises CronError.

    Another time, another zone and the end of a pause begin anew: what came before is over.
    """
    if spec.paused:
        db.execute(SQL["drop_waiting"], {"id": task_id, "message": "the schedule was paused"})
    given = {
        "id": task_id, "cron": spec.cron, "timezone": spec.timezone, "overlap": spec.overlap.value,
        "catch_up": spec.catch_up.value, "paused": int(spec.paused), "now": now_us,
        "next": None if spec.paused else cron.first(spec.cron, spec.timezone, now_us),
    }  # fmt: skip
    db.execute(SQL["put"], given)


def remove(db: sqlite3.Connection, task_id: str) -> None:
    """End a task's schedule inside somebody else's transaction."""
    db.execute(SQL["drop_waiting"], {"id": task_id, "message": "the schedule was removed"})
    db.execute(SQL["remove"], {"id": task_id})


def shown(row: sqlite3.Row, now_us: int) -> Schedule | None:
    """Return the public schedule of a row of ``tasks`` that is joined with its schedule, if it has one."""
    if row["cron"] is None:
        return None
    return Schedule(
        cron=row["cron"],
        timezone=row["timezone"],
        overlap=Overlap(row["overlap"]),
        catch_up=CatchUp(row["catch_up"]),
        paused=bool(row["paused"]),
        next=[] if row["paused"] else [instant(at) for at in _next(row, now_us)],
        recent=[
            ScheduledInstant(at=instant(at), outcome=outcome, run_id=run_id, message=message)
            for at, outcome, run_id, message in json.loads(row["recent"])
        ],
    )


def _next(row: sqlite3.Row, now_us: int) -> list[int]:
    try:
        return cron.upcoming(
            row["cron"], row["timezone"], schedule.settled_us(row["through_us"], now_us), SHOWN
        )
    except cron.CronError:  # a zone that this host has no more
        return []


def _note(
    db: sqlite3.Connection,
    task_id: str,
    at_us: int,
    outcome: InstantOutcome,
    *,
    run_id: str | None = None,
    message: str | None = None,
) -> None:
    given = {"id": task_id, "at": at_us, "outcome": outcome.value, "run_id": run_id, "message": message}
    db.execute(SQL["note"], given)


def _submission(task: Scheduled, at_us: int, spec: RunSpec) -> Submission:
    of = Origin(task=TaskRef(task.task_id, task.version, scheduled_us=at_us))
    return Submission(task.project, [spec], origins=[of], trigger="schedule")


def _due(row: sqlite3.Row) -> Due:
    timing = Timing(row["cron"], row["timezone"], Overlap(row["overlap"]), CatchUp(row["catch_up"]))
    return Due(_scheduled(row), timing, row["through_us"], row["next_us"], row["jumped_us"])


def _scheduled(row: sqlite3.Row) -> Scheduled:
    spec = stored_spec(row["spec"])
    if isinstance(spec, RunSpec) and spec.name is None:
        spec = spec.model_copy(update={"name": row["name"]})
    return Scheduled(row["task_id"], row["project"], row["name"], row["version"], spec)
