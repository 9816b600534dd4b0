"""Outgoing webhooks on the wire: what is registered, what is sent, and what came of sending it."""

from enum import StrEnum
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from runsd_sdk.run import Phase, Reason, RunImage, RunLogs, RunUsage, Status
from runsd_sdk.wire import Answer, Body, Instant

EVENT_TYPES: Final = (
    "run.submitted",
    "run.admitted",
    "run.pulling",
    "run.preparing",
    "run.image_ready",
    "run.running",
    "run.stopping",
    "run.retrying",
    "run.finished",
    "run.extended",
    "run.relabelled",
    "run.deleted",
)
"""The events of runs that a webhook can be told of; ``"*"`` stands for all of them."""

FINISHED: Final = tuple(f"run.finished:{status.value}" for status in Status if status.terminal)
"""Of runs that are over only those that came to this."""

ALL: Final = "*"
TEST: Final = "webhook.test"
"""What is sent to try a webhook out, whatever it is registered for."""


def _event(value: str) -> str:
    if value not in (*EVENT_TYPES, *FINISHED, ALL):
        known = ", ".join((*EVENT_TYPES, *FINISHED))
        raise ValueError(f"there is no event {value[:64]!r}; choose of {known}, or '*' for all")
    return value


def _events(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


def _url(value: str) -> str:
    if not value.isprintable() or " " in value or "\\" in value:
        raise ValueError("write a URL without spaces, backslashes and control characters")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{value[:80]!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a whole URL, as in https://example.com/hooks/runs")
    if "@" in parts.netloc:
        raise ValueError("leave user and password out; the signature tells the receiver who sends")
    if parts.fragment:
        raise ValueError("leave out what follows '#': it is never sent")
    return value


WebhookUrl = Annotated[str, StringConstraints(min_length=1, max_length=2048), AfterValidator(_url)]
WebhookEvents = Annotated[
    list[Annotated[str, AfterValidator(_event)]],
    Field(min_length=1, max_length=len(EVENT_TYPES) + len(FINISHED) + 1),
    AfterValidator(_events),
]
Description = Annotated[str, StringConstraints(max_length=500)]


class WebhookSpec(Body):
    """Where to send which events. What is not enabled is kept, and told nothing."""

    url: WebhookUrl
    events: WebhookEvents = ["run.finished"]
    description: Description = ""
    enabled: bool = True


class WebhookPatch(Body):
    """What may change of a webhook."""

    url: WebhookUrl | None = None
    events: WebhookEvents | None = None
    description: Description | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError("nothing to change; give url, events, description or enabled")
        return self


class Webhook(Answer):
    """A registered webhook. ``secret`` is told once: when it was made, or changed.

    ``failing_since`` is since when every attempt has failed; after a day of that it is disabled, and
    ``disabled_reason`` says so.
    """

    id: str
    project: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    created_at: Instant
    failing_since: Instant | None = None
    disabled_at: Instant | None = None
    disabled_reason: str | None = None
    pending: int = 0
    secret: str | None = None


class WebhookList(Answer):
    """All webhooks of a project, the oldest first."""

    data: list[Webhook]


class DeliveryStatus(StrEnum):
    """Where a delivery is: to be sent (again), taken by the receiver, or given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryAttempt(Answer):
    """One time that a message was sent: the answer's status, or why there was none."""

    number: int
    at: Instant
    duration_seconds: float
    status_code: int | None
    error: str | None


class Delivery(Answer):
    """A message for one webhook. ``id`` is what the receiver finds in the header ``webhook-id``.

    ``payload`` is the body that is sent; lists leave it out.
    """

    id: str
    webhook_id: str
    type: str
    run_id: str | None
    status: DeliveryStatus
    created_at: Instant
    next_attempt_at: Instant | None
    ended_at: Instant | None
    attempts: list[DeliveryAttempt]
    payload: dict[str, Any] | None = None


class DeliveryList(Answer):
    """A page of deliveries, newest first."""

    data: list[Delivery]
    next_cursor: str | None = None


class WebhookRun(Answer):
    """A run as it was at the event, but for its spec: what a run is given stays with the daemon."""

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


class WebhookData(Answer):
    """What a message is about. ``details`` is what the event itself says; a test has no run."""

    project: str
    event_id: int | None = None
    run: WebhookRun | None = None
    details: dict[str, Any] = {}


class WebhookEvent(Answer):
    """The body of a message. The header ``webhook-id`` is the same however often it is sent."""

    type: str
    timestamp: Instant
    data: WebhookData
