"""Tasks: runs that are saved under a name, what may be said of them, and what the daemon says."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints, model_validator

from runsd_sdk.run import Phase, Status
from runsd_sdk.spec import RunSpec
from runsd_sdk.wire import Answer, Body, Instant


def _task_name(value: str) -> str:
    if value.startswith("task_"):
        raise ValueError(f"{value!r} begins as the ids of tasks do; choose another name")
    return value


TaskName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$", max_length=128),
    AfterValidator(_task_name),
]
# What was not said gets the host's defaults at each start, and is not answered as if it had been.
SaidSpec = Annotated[RunSpec, PlainSerializer(RunSpec.wire, return_type=dict[str, Any], when_used="json")]
RunReference = Annotated[str, StringConstraints(min_length=1, max_length=128)]


OverlapName = Literal["skip", "queue", "replace", "allow"]
CatchUpName = Literal["none", "last"]


class Overlap(StrEnum):
    """What becomes of an instant when a run that the schedule started before is not over."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """What is made up for after an outage: nothing, or the last of the instants that were missed."""

    NONE = "none"
    LAST = "last"


class InstantOutcome(StrEnum):
    """What has become of an instant of a schedule."""

    STARTED = "started"
    WAITING = "waiting"
    SKIPPED = "skipped"
    REFUSED = "refused"


class ScheduleSpec(Body):
    """When a task is started by the clock: a cron expression of five fields, in a time zone."""

    cron: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.NONE
    paused: bool = False


class TaskSpec(Body):
    """A task to make: a name, and a spec or the run whose spec it is to have."""

    name: TaskName
    spec: RunSpec | None = None
    from_run: RunReference | None = None
    schedule: ScheduleSpec | None = None
    webhook: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.spec is None) == (self.from_run is None):
            raise ValueError("a task needs what to run; give either spec or fromRun")
        return self


class TaskPatch(Body):
    """What may change on a task. ``spec`` and ``schedule`` are applied as JSON merge patches (RFC 7396).

    A ``schedule`` of null ends it.
    ``version`` is the version that is to be changed: if somebody else was faster, nothing is.
    """

    name: TaskName | None = None
    spec: dict[str, Any] | None = None
    from_run: RunReference | None = None
    schedule: dict[str, Any] | None = None
    version: Annotated[int, Field(ge=1, le=2**53)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set - {"version"}:
            raise ValueError("nothing to change; give name, spec, fromRun or schedule")
        if self.spec is not None and self.from_run is not None:
            raise ValueError("spec and fromRun both say what to run; give one of them")
        return self


class HookSpec(Body):
    """An address for a task: ``secret`` names the project's secret with which deliveries are signed."""

    secret: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


class Hook(Answer):
    """A task's address; the token in it is kept nowhere."""

    secret: str | None = None
    created_at: Instant
    last_delivery_at: Instant | None = None


class NewHook(Hook):
    """A task's address, told this once: whoever knows it starts the task by a POST to ``path``."""

    token: str
    path: str


class HookReceipt(Answer):
    """What is told to whoever has delivered something: the id of the run that was made for it."""

    run_id: str


class ScheduledInstant(Answer):
    """An instant of a schedule, and what has become of it; ``run_id`` is the run that it has started."""

    at: Instant
    outcome: InstantOutcome
    run_id: str | None = None
    message: str | None = None


class Schedule(Answer):
    """When a task is started by the clock.

    ``next`` are the next times, ``recent`` the last ones and what came of them, newest first.
    """

    cron: str
    timezone: str
    overlap: Overlap
    catch_up: CatchUp
    paused: bool
    next: list[Instant]
    recent: list[ScheduledInstant] = []


class TaskRun(Answer):
    """A run of a task, in short."""

    id: str
    status: Status
    phase: Phase
    trigger: str
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class Task(Answer):
    """A run that is saved under a name. ``version`` grows with each change of its spec.

    ``problem`` says what of a spec that was saved is refused by now: it starts nothing until that is changed,
    and ``spec`` is shown without it.
    ``last_run`` is the newest of its runs, however it was started.
    """

    id: str
    project: str
    name: str
    version: int
    spec: SaidSpec
    problem: str | None = None
    schedule: Schedule | None = None
    webhook: NewHook | Hook | None = None
    last_run: TaskRun | None = None
    created_at: Instant
    updated_at: Instant


class TaskList(Answer):
    """All tasks of a project, by name."""

    data: list[Task]


class TaskVersion(Answer):
    """What a task was from an instant on, until the next version. ``problem`` is as in Task."""

    version: int
    spec: SaidSpec
    problem: str | None = None
    created_at: Instant


class TaskVersionList(Answer):
    """The versions of a task, newest first."""

    data: list[TaskVersion]
