"""What the host answers about itself: volumes, secrets, sources, usage, health, capacity, problems."""

from enum import StrEnum
from typing import Any

from runsd_sdk.wire import Answer, Instant


class Volume(Answer):
    """A named Docker volume that runs share (ReadWriteMany)."""

    id: str
    project: str
    name: str
    labels: dict[str, str]
    docker_name: str
    created_at: Instant
    live_runs: int = 0


class VolumeList(Answer):
    """All volumes of a project, by name."""

    data: list[Volume]


class Secret(Answer):
    """A secret, without its value: that is for runs alone."""

    name: str
    project: str
    created_at: Instant
    updated_at: Instant


class SecretList(Answer):
    """All secrets of a project, by name."""

    data: list[Secret]


class Source(Answer):
    """A working directory that was sent, to be named by runs. The same content has the same id."""

    id: str
    size_bytes: int
    files: int
    created_at: Instant


class UsageGroup(Answer):
    """One line of a month's usage, by day, label, task or run. ``cost_usd`` is list price."""

    key: str
    vcpu_seconds: float
    cost_usd: str
    runs: int


class Usage(Answer):
    """A project's calendar month (UTC). Money is a decimal string in US dollars."""

    month: str
    vcpu_seconds: float
    free_vcpu_seconds: float
    billable_vcpu_seconds: float
    price_per_vcpu_second_usd: str
    cost_usd: str
    runs: int
    groups: list[UsageGroup] | None = None


class EngineState(StrEnum):
    """``stuck``: it answers some calls and leaves others waiting, such as every start."""

    ANSWERING = "answering"
    STUCK = "stuck"
    UNREACHABLE = "unreachable"


class EngineHealth(Answer):
    """Whether the Docker Engine answers, and what to do when it does not."""

    state: EngineState
    reachable: bool
    version: str | None
    api_version: str | None
    since: Instant
    message: str | None


class DiskHealth(Answer):
    """The free space of a file system: of runsd's own files (``data``) or the Engine's (``engine``)."""

    place: str
    path: str
    free_bytes: int
    min_free_bytes: int
    short: bool


class TelemetryHealth(Answer):
    """Where runs can send OpenTelemetry's OTLP to (``endpoint``), or why they cannot (``message``)."""

    endpoint: str | None
    message: str | None


class Health(Answer):
    """``status`` is ``ok``, ``degraded`` (the Engine or a disk is in trouble) or ``draining``."""

    status: str
    engine: EngineHealth
    disks: list[DiskHealth] = []
    telemetry: TelemetryHealth | None = None
    admitting: bool
    message: str | None


class Capacity(Answer):
    """Resources in one place: in total, or in use."""

    cpu_milli: int
    memory_bytes: int
    gpus: int


class Starts(Answer):
    """Containers being started now, the most at once (it is learned), and runs that wait for their turn."""

    now: int
    most: int
    waiting: int


class Sandboxes(Answer):
    """Network namespaces made ahead of the runs that will use them: waiting for one, and lent to one.

    ``most`` is how many may wait for runs of each network.
    """

    idle: int
    lent: int
    most: int


class Spent(Answer):
    """What counts for a project's budget of a calendar month (UTC): what is billed, and live runs so far.

    ``cost_usd`` is what the month's bill would be, after the free tier.
    """

    month: str
    vcpu_seconds: float
    cost_usd: str


class Info(Answer):
    """Who this daemon is and what it may give out; and of a project what it holds and what is waiting.

    ``in_use``, ``queued``, ``live`` and ``spent`` are the project's own; ``free`` is what no run of any
    project holds. ``spent`` is None where the project has no budget.
    """

    version: str
    instance: str
    hostname: str
    engine: EngineHealth
    capacity: Capacity
    in_use: Capacity
    free: Capacity
    largest_run: Capacity
    project: str
    queued: int
    live: int
    spent: Spent | None = None
    usage_source: str
    starts: Starts
    sandboxes: Sandboxes
    started_at: Instant


class FieldError(Answer):
    """One field that was refused, and the remedy."""

    loc: list[str | int]
    msg: str


class Problem(Answer):
    """RFC 9457 problem details, with a machine's code and the fields concerned."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    context: dict[str, Any] | None = None
