"""What a run is, seen from outside: its states, its outcome, its bill."""

from base64 import b64decode
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from runsd_sdk.spec import RunSpec
from runsd_sdk.wire import Answer, Instant


class Status(StrEnum):
    """What a run has come to. The last four never change."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"

    @property
    def terminal(self) -> bool:
        """Whether this status is final."""
        return self not in (Status.PENDING, Status.RUNNING)


class Phase(StrEnum):
    """Where exactly a run is."""

    QUEUED = "queued"
    PULLING = "pulling"
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"


class Reason(StrEnum):
    """Why a run ended as it did."""

    EXITED = "exited"
    OOM_KILLED = "oom_killed"
    IMAGE_NOT_FOUND = "image_not_found"
    IMAGE_PULL_FAILED = "image_pull_failed"
    COMMAND_NOT_FOUND = "command_not_found"
    START_FAILED = "start_failed"
    VOLUME_MISSING = "volume_missing"
    SOURCE_FAILED = "source_failed"
    DEPENDENCIES_FAILED = "dependencies_failed"
    QUEUE_EXPIRED = "queue_expired"
    LOST = "lost"
    CANCELLED = "cancelled"
    DEADLINE_EXCEEDED = "deadline_exceeded"


class RunAttempt(Answer):
    """One container that was started for a run, or was to be: ``started_at`` is None where none ever began.

    ``finished_at`` and ``reason`` are None while it goes on.
    """

    attempt: int
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    reason: Reason | None
    message: str | None
    exit_code: int | None
    oom_killed: bool
    vcpu_seconds: float
    cost_usd: str


class RunAttempts(Answer):
    """The attempts of a run, the first one first."""

    data: list[RunAttempt]


class RunImage(Answer):
    """The image that was asked for, and the one that ran."""

    reference: str
    id: str | None = None
    digest: str | None = None


class AttemptUsage(Answer):
    """One line of a run's bill: an attempt that ran, by the Engine's own instants."""

    attempt: int
    started_at: Instant
    finished_at: Instant
    duration_seconds: float
    vcpu_seconds: float
    cost_usd: str


class RunUsage(Answer):
    """What a run is billed for, and what it really used.

    Seconds are exact to the microsecond; ``cost_usd`` is a decimal string in US dollars at list price.
    ``source`` says where use and peak come from: ``cgroup`` (exact) or ``samples``.
    """

    duration_seconds: float = 0
    vcpu_seconds: float = 0
    cpu_seconds_used: float | None = None
    memory_peak_bytes: int | None = None
    source: str | None = None
    cost_usd: str = "0"
    attempts: list[AttemptUsage] = []


class RunLogs(Answer):
    """How many bytes the last attempt wrote; ``truncated`` when not all of them are kept.

    ``deleted_at`` is when the output of an ended run was deleted for its age or for space, if it was.
    """

    stdout_bytes: int = 0
    stderr_bytes: int = 0
    truncated: bool = False
    deleted_at: Instant | None = None


class Run(Answer):
    """One request to execute a container to completion, and what came of it."""

    id: str
    project: str
    name: str | None
    labels: dict[str, str]
    status: Status
    phase: Phase
    reason: Reason | None
    message: str | None
    exit_code: int | None
    oom_killed: bool
    attempt: int
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    deadline_at: Instant | None
    spec: RunSpec
    image: RunImage
    source_commit: str | None = None
    usage: RunUsage
    logs: RunLogs
    trigger: str
    rerun_of: str | None
    task: str | None
    task_version: int | None = None
    scheduled_at: Instant | None = None
    hostname: str


class RunProblem(Answer):
    """An exception that a run met, and how often: its stack trace has the frames as Python prints them.

    ``origin`` says how it became known: ``uncaught``, ``logged``, ``opentelemetry``, or ``stderr`` where a
    traceback was found in the error output. ``frames`` are the program's own, the innermost first.
    """

    type: str
    message: str
    stacktrace: str
    frames: list[str] = []
    count: int = 1
    first_seen: Instant | None = None
    last_seen: Instant | None = None
    origin: str


class RunProblems(Answer):
    """The problems of a run, so far."""

    data: list[RunProblem]


class RunResult(Run):
    """A terminal run with the end of its output: the last 1 MiB of each stream, as text.

    ``return_value`` is what the function of a Python run returned, and None where none did.
    """

    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    return_value: JsonValue = None
    problems: list[RunProblem] = []


class RunList(Answer):
    """A page of runs, newest first.

    It may hold fewer than were asked for, even none, where few of very many match: there may be more for as
    long as there is a ``nextCursor``.
    """

    data: list[Run]
    next_cursor: str | None = None


class Queue(Answer):
    """What of a project holds the host, the oldest first, and what waits, in the order in which it is taken.

    ``live`` and ``queued`` are how many there are; of many only the first are listed.
    """

    running: list[Run]
    waiting: list[Run]
    live: int
    queued: int


class RunBatch(Answer):
    """The runs of an accepted batch, in the order they were asked for."""

    data: list[Run]


class BatchState(Answer):
    """How far the runs of one request are: ``over`` of ``size`` have ended, ``counts`` says how.

    ``id`` is that of the first of them, ``last_id`` that of the last; runs that were deleted since are not
    counted. ``finished_at`` is when the last one ended. ``name`` is how the names of all of them begin, up to
    the end of a word, if they do. ``cost_usd`` is the sum of theirs.
    """

    id: str
    last_id: str
    created_at: Instant
    finished_at: Instant | None
    size: int
    over: int
    counts: dict[Status, int]
    name: str | None = None
    vcpu_seconds: float = 0
    cost_usd: str = "0"


class Why(Answer):
    """Why a run is where it is, in words, and what a person can do next."""

    id: str
    status: Status
    phase: Phase
    reason: Reason | None
    summary: str
    details: list[str]
    next_step: str | None


class Sample(Answer):
    """Processor time used so far and memory in use, at one instant."""

    time: Instant
    cpu_seconds: float
    memory_bytes: int


class CallSample(Answer):
    """How many calls of models a run had told of by one instant, and their tokens, in all its attempts."""

    time: Instant
    requests: int
    tokens_in: int
    tokens_out: int


class NamedMetric(Answer):
    """A metric that the run itself told by OpenTelemetry, over all its processes and attempts.

    ``kind`` is ``gauge`` (``value`` is the newest), ``sum`` (``value`` is the sum) or ``histogram``
    (``count``, ``sum``, ``min``, ``max``); ``time`` is that of its newest point.
    """

    name: str
    kind: str
    unit: str | None = None
    attributes: dict[str, str | bool | int | float] = {}
    value: int | float | None = None
    count: int | None = None
    sum: int | float | None = None
    min: int | float | None = None
    max: int | float | None = None
    time: Instant


class Metrics(Answer):
    """A run's samples (attempt by attempt) and totals.

    ``requests``, ``tokens_in`` and ``tokens_out`` are of the run's calls of models; None: it told of none.
    ``calls`` has them over time, each ten seconds or so.
    ``cost_usd`` is the list price so far, as if it ended now; None where a daemon does not tell it yet.
    ``named_truncated`` says that it told of more than is kept.
    """

    samples: list[Sample]
    cpu_seconds_allocated: float
    cpu_seconds_used: float | None
    memory_peak_bytes: int | None
    source: str | None
    requests: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: str | None = None
    calls: list[CallSample] = []
    named: list[NamedMetric] = []
    named_truncated: bool = False


class Event(Answer):
    """A persisted change of a run; ``id`` grows with time over all runs."""

    id: int
    run_id: str
    project: str
    time: Instant
    type: str
    data: dict[str, Any]


class EventList(Answer):
    """A page of events, oldest first."""

    data: list[Event]
    next_cursor: str | None = None


class LogEntry(Answer):
    """A piece of output, at most a line. Texts of one stream, joined, are the stream.

    ``stream`` is ``stdout``, ``stderr`` or ``system`` (runsd's own remarks, such as a gap). ``base64`` holds
    the exact bytes where they are not UTF-8 and ``text`` had to replace some.
    """

    cursor: str
    time: Instant
    stream: str
    text: str
    base64: str | None = None

    @property
    def data(self) -> bytes:
        """The exact bytes that the program wrote."""
        return self.text.encode() if self.base64 is None else b64decode(self.base64)


class LinePiece(Answer):
    """What one stream wrote of a line. Bytes that are not UTF-8 are replaced; a text of the log has them.

    ``omittedBytes`` were left out before it, for the line is long.
    """

    stream: str
    text: str
    omitted_bytes: int = 0


class LogLine(Answer):
    """A line of a log's text, without its newline: mostly one piece, or several where streams mixed.

    ``time`` is when its beginning came, ``cursor`` the place behind it. The last line of a log may not have
    ``ended``.
    """

    number: int
    cursor: str
    time: Instant
    pieces: list[LinePiece]
    ended: bool


class LogLines(Answer):
    """Lines by their numbers, from 1 on, as in the log's text.

    ``total`` and ``end`` say how many there are and where the last one ends. ``complete``: no more will come.
    There may be fewer than were asked for where they are long. ``missingBytes`` were not kept: when there are
    more of these, lines behind the gap have other numbers.
    """

    data: list[LogLine]
    total: int
    end: str
    complete: bool
    missing_bytes: int


class LogMatches(Answer):
    """Lines of a log in which a text was found: how many, and how many of them before the line ``at``.

    The numbers of the nearest are given: up to 1000 ``previous`` ones, in order, and as many from ``at`` on.
    ``last`` is the last one of all. ``total`` says how many lines were searched, and those before; as long as
    the last of these is not over, it may match later on.
    """

    count: int
    before: int
    previous: list[int]
    following: list[int]
    last: int | None
    total: int
