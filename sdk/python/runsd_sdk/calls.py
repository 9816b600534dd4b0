"""Every request of the API as a value: what is sent, and how its answer is read. Nothing here does I/O."""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

from runsd_sdk import fields
from runsd_sdk.audit import AuditList
from runsd_sdk.host import Health, Info, Secret, SecretList, Source, Usage, Volume, VolumeList
from runsd_sdk.key import Key, KeyList, KeySpec, Login, NewKey
from runsd_sdk.project import Project, ProjectLimits, ProjectList, ProjectPatch, ProjectSpec
from runsd_sdk.python import GitSource
from runsd_sdk.run import (
    BatchState,
    Event,
    EventList,
    LogEntry,
    Metrics,
    Queue,
    Run,
    RunAttempts,
    RunBatch,
    RunList,
    RunProblems,
    RunResult,
    Why,
)
from runsd_sdk.secret import SecretValue
from runsd_sdk.spec import RunPatch, VolumeSpec
from runsd_sdk.task import (
    HookSpec,
    NewHook,
    ScheduleSpec,
    Task,
    TaskList,
    TaskPatch,
    TaskSpec,
    TaskVersionList,
)
from runsd_sdk.webhook import (
    Delivery,
    DeliveryList,
    Webhook,
    WebhookList,
    WebhookPatch,
    WebhookSpec,
)
from runsd_sdk.wire import Answer, format_instant

T = TypeVar("T")
A = TypeVar("A", bound=Answer)
Query = tuple[tuple[str, str], ...]
Stream = Literal["all", "stdout", "stderr"]
Schedule = ScheduleSpec | Mapping[str, object]

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
TEXT = "text/plain"
TAR = "application/x-tar"
BATCH = 1000
BATCH_BYTES = 9 * 1024**2  # of ten that the daemon takes
ANSWER_S = 30.0
SILENCE_S = 60.0  # the daemon sends a sign of life every 15 s
LONG_POLL_S = 55.0
MOST_PACKED = 256 * 1024**2  # what the daemon takes, if its operator has not said otherwise
ATTEMPT_S = 60.0  # a receiver may take 15 s to answer a webhook
STORED_S = 300.0  # a large source is read once more and put on the disk before it is answered


class Pieces(Protocol):
    """A body that is too large to be held; it can be read more than once."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""

    def pieces(self) -> Iterator[bytes]:
        """Yield them, from the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request with one answer. ``read_s`` bounds the silence before it.

    ``repeatable`` says that sending it twice does what sending it once does.
    """

    method: str
    path: str
    parse: Callable[[bytes], T]
    query: Query = ()
    body: bytes | Pieces | None = None
    headers: tuple[tuple[str, str], ...] = ()
    accept: str = JSON
    read_s: float = ANSWER_S
    repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed(Generic[T]):
    """One request with a stream of answers, each read by ``parse``."""

    path: str
    parse: Callable[[bytes], T]
    accept: str
    query: Query = ()
    read_s: float = SILENCE_S


def create(spec: Mapping[str, object], *, idempotency_key: str | None = None) -> Call[Run]:
    """Submit one run."""
    return _post("/v1/runs", Run, fields.run_spec(spec), key=idempotency_key)


def create_batch(
    specs: Sequence[Mapping[str, object]], *, idempotency_key: str | None = None
) -> Call[RunBatch]:
    """Submit up to 1,000 runs, all or none."""
    return _post("/v1/runs/batch", RunBatch, fields.batch(specs), key=idempotency_key)


def create_batches(specs: Sequence[Mapping[str, object]]) -> list[Call[RunBatch]]:
    """Submit any number of runs, as many at a time as the daemon takes."""
    return [create_batch(batch) for batch in batches(specs)]


def batches(specs: Iterable[Mapping[str, object]]) -> Iterator[list[Mapping[str, object]]]:
    """Divide runs into batches: 1,000 in each, or fewer of large ones."""
    batch: list[Mapping[str, object]] = []
    size = 0
    for spec in specs:
        added = len(fields.as_json(fields.plain(spec)))
        if batch and (len(batch) == BATCH or size + added > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(spec)
        size += added
    if batch:
        yield batch


def list_runs(
    *,
    status: str | Sequence[str] | None = None,
    label: Mapping[str, str] | None = None,
    name: str | None = None,
    task: str | None = None,
    text: str | None = None,
    batch: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[RunList]:
    """Ask for a page of runs, newest first."""
    statuses = [status] if isinstance(status, str) else list(status or ())
    query = [("status", str(each)) for each in statuses]
    query += [("label", f"{key}={value}") for key, value in (label or {}).items()]
    query += _query(
        name=name,
        task=task,
        text=text,
        batch=batch,
        createdAfter=format_instant(created_after) if created_after else None,
        createdBefore=format_instant(created_before) if created_before else None,
        limit=limit,
        cursor=cursor,
    )
    return _get("/v1/runs", RunList, tuple(query))


def get(run_id: str) -> Call[Run]:
    """Ask for one run."""
    return _get(_run(run_id), Run)


def batch(run_id: str) -> Call[BatchState]:
    """Ask how far the runs are that were submitted together with one."""
    return _get(_run(run_id, "batch"), BatchState)


def wait(run_id: str, *, timeout_s: float = LONG_POLL_S) -> Call[Run]:
    """Ask for one run when it is over, or as it is after ``timeout_s`` seconds."""
    return Call(
        method="GET",
        path=_run(run_id, "wait"),
        parse=Run.model_validate_json,
        query=_query(timeoutSeconds=f"{timeout_s:g}"),
        read_s=timeout_s + ANSWER_S,
    )


def result(run_id: str) -> Call[RunResult]:
    """Ask for a run that is over, with the end of its output."""
    return _get(_run(run_id, "result"), RunResult)


def cancel(run_id: str) -> Call[Run]:
    """Ask for a run to be stopped."""
    return Call(method="POST", path=_run(run_id, "cancel"), parse=Run.model_validate_json)


def rerun(run_id: str, changes: Mapping[str, object], *, idempotency_key: str | None = None) -> Call[Run]:
    """Submit the same run again, with some fields changed."""
    return _post(_run(run_id, "rerun"), Run, fields.overrides(changes), key=idempotency_key)


def rerun_batch(run_ids: Sequence[str], *, idempotency_key: str | None = None) -> Call[RunBatch]:
    """Submit up to 1,000 runs again as they were, all or none."""
    return _post("/v1/runs/rerun", RunBatch, fields.reruns(run_ids), key=idempotency_key)


def extend(run_id: str, timeout_seconds: int) -> Call[Run]:
    """Set the time limit of a live run, counted from its start."""
    return _patch(run_id, {"timeoutSeconds": timeout_seconds})


def relabel(run_id: str, labels: Mapping[str, str]) -> Call[Run]:
    """Replace a run's labels."""
    return _patch(run_id, {"labels": dict(labels)})


def delete(run_id: str) -> Call[None]:
    """Forget a run that is over, and its logs; usage stays."""
    return Call(method="DELETE", path=_run(run_id), parse=_nothing)


def logs(
    run_id: str,
    *,
    follow: bool = False,
    stream: Stream = "all",
    tail: int | None = None,
    since: str | None = None,
    until: str | None = None,
    attempt: int | None = None,
) -> Feed[LogEntry]:
    """Ask for output entry by entry, from after the cursor ``since``; ``follow`` until the run is over."""
    return Feed(
        path=_run(run_id, "logs"),
        parse=LogEntry.model_validate_json,
        accept=SSE if follow else NDJSON,
        query=_query(
            stream=stream,
            tail=tail,
            since=since,
            until=until,
            attempt=attempt,
            follow="true" if follow else None,
        ),
    )


def raw_logs(run_id: str, stream: Stream = "stdout", *, attempt: int | None = None) -> Feed[bytes]:
    """Ask for the exact bytes of one stream."""
    return Feed(
        path=_run(run_id, "logs"), parse=bytes, accept=TEXT, query=_query(stream=stream, attempt=attempt)
    )


def list_events(
    run_id: str | None = None, *, since: int | None = None, limit: int | None = None
) -> Call[EventList]:
    """Ask for a page of events after the event ``since``, oldest first."""
    return _get(_events_path(run_id), EventList, _query(since=since, limit=limit))


def follow_events(run_id: str | None = None, *, since: int | None = None) -> Feed[Event]:
    """Ask for events as they happen, from after the event ``since``."""
    query = _query(since=since)
    return Feed(path=_events_path(run_id), parse=Event.model_validate_json, accept=SSE, query=query)


def metrics(run_id: str) -> Call[Metrics]:
    """Ask for a run's samples and totals."""
    return _get(_run(run_id, "metrics"), Metrics)


def attempts(run_id: str) -> Call[RunAttempts]:
    """Ask for a run's attempts."""
    return _get(_run(run_id, "attempts"), RunAttempts)


def problems(run_id: str) -> Call[RunProblems]:
    """Ask for the exceptions that a run met."""
    return _get(_run(run_id, "problems"), RunProblems)


def why(run_id: str) -> Call[Why]:
    """Ask why a run is where it is."""
    return _get(_run(run_id, "why"), Why)


def create_volume(name: str, *, labels: Mapping[str, str] | None = None) -> Call[Volume]:
    """Make a named volume."""
    body: fields.Json = {"name": name} if labels is None else {"name": name, "labels": dict(labels)}
    call = _post("/v1/volumes", Volume, fields.validated(VolumeSpec, body).wire())
    return replace(call, repeatable=False)  # the second of two would be told that the name is taken


def list_volumes() -> Call[VolumeList]:
    """Ask for all volumes of the project."""
    return _get("/v1/volumes", VolumeList)


def get_volume(volume: str) -> Call[Volume]:
    """Ask for one volume, by id or name."""
    return _get(f"/v1/volumes/{_segment(volume)}", Volume)


def delete_volume(volume: str) -> Call[None]:
    """Delete a volume and what is in it."""
    return Call(method="DELETE", path=f"/v1/volumes/{_segment(volume)}", parse=_nothing)


def set_secret(name: str, value: str) -> Call[Secret]:
    """Make a secret, or give it another value for later runs."""
    fields.validated(SecretValue, {"value": value})
    return Call(
        method="PUT",
        path=_secret(name),
        parse=Secret.model_validate_json,
        body=json.dumps({"value": value}).encode(),
        headers=(("Content-Type", JSON),),
    )


def list_secrets() -> Call[SecretList]:
    """Ask for the names of all secrets of the project."""
    return _get("/v1/secrets", SecretList)


def delete_secret(name: str) -> Call[None]:
    """Delete a secret; runs that were submitted with it keep what they were given."""
    return Call(method="DELETE", path=_secret(name), parse=_nothing)


def create_webhook(
    url: str, *, events: Sequence[str], description: str = "", enabled: bool = True
) -> Call[Webhook]:
    """Register a URL that is told of events."""
    body: fields.Json = {"url": url, "events": list(events), "description": description, "enabled": enabled}
    call = _post("/v1/webhooks", Webhook, fields.validated(WebhookSpec, body).wire())
    return replace(call, repeatable=False)  # the first of two would be nobody's, and its secret unknown


def list_webhooks() -> Call[WebhookList]:
    """Ask for all webhooks of the project."""
    return _get("/v1/webhooks", WebhookList)


def get_webhook(webhook: str) -> Call[Webhook]:
    """Ask for one webhook."""
    return _get(_webhook(webhook), Webhook)


def update_webhook(
    webhook: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    enabled: bool | None = None,
) -> Call[Webhook]:
    """Change what is given of a webhook."""
    given = {"url": url, "events": events and list(events), "description": description, "enabled": enabled}
    body = {key: value for key, value in given.items() if value is not None}
    return Call(
        method="PATCH",
        path=_webhook(webhook),
        parse=Webhook.model_validate_json,
        body=json.dumps(fields.validated(WebhookPatch, body).wire()).encode(),
        headers=(("Content-Type", JSON),),
    )


def rotate_webhook(webhook: str) -> Call[Webhook]:
    """Change the secret of a webhook."""
    path = _webhook(webhook, "rotate")
    return Call(method="POST", path=path, parse=Webhook.model_validate_json, repeatable=False)


def delete_webhook(webhook: str) -> Call[None]:
    """Delete a webhook."""
    return Call(method="DELETE", path=_webhook(webhook), parse=_nothing)


def test_webhook(webhook: str) -> Call[Delivery]:
    """Send a test message; it is answered when the receiver has answered."""
    return Call(
        method="POST",
        path=_webhook(webhook, "test"),
        parse=Delivery.model_validate_json,
        read_s=ATTEMPT_S,
        repeatable=False,
    )


def list_deliveries(
    webhook: str, *, status: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[DeliveryList]:
    """Ask for a page of a webhook's deliveries, newest first."""
    query = _query(status=status, limit=limit, cursor=cursor)
    return _get(_webhook(webhook, "deliveries"), DeliveryList, query)


def get_delivery(webhook: str, delivery: str) -> Call[Delivery]:
    """Ask for one delivery."""
    return _get(_webhook(webhook, "deliveries", _segment(delivery)), Delivery)


def redeliver(webhook: str, delivery: str) -> Call[Delivery]:
    """Send a message again; it is answered when the receiver has answered."""
    path = _webhook(webhook, "deliveries", _segment(delivery), "redeliver")
    return Call(method="POST", path=path, parse=Delivery.model_validate_json, read_s=ATTEMPT_S)


def create_project(
    name: str,
    *,
    members: Sequence[str | int] = (),
    repository: GitSource | None = None,
    limits: ProjectLimits | None = None,
) -> Call[Project]:
    """Make a project."""
    said: fields.Json = {"name": name, "members": list(members)}
    if repository is not None:
        said["repository"] = repository.wire()
    if limits is not None:
        said["limits"] = limits.wire()
    body = fields.validated(ProjectSpec, said).wire()
    return replace(_post("/v1/projects", Project, body), repeatable=False)  # as for volumes


def list_projects() -> Call[ProjectList]:
    """Ask for the projects that the caller may use."""
    return _get("/v1/projects", ProjectList)


def get_project(name: str) -> Call[Project]:
    """Ask for one project."""
    return _get(f"/v1/projects/{_segment(name)}", Project)


def set_members(name: str, members: Sequence[str | int]) -> Call[Project]:
    """Say who may use a project from now on."""
    body = fields.validated(ProjectPatch, {"members": list(members)}).wire()
    return _changed(f"/v1/projects/{_segment(name)}", Project, body)


def set_repository(name: str, repository: GitSource | None) -> Call[Project]:
    """Say where a project's Python runs are that name no source."""
    said = {"repository": None if repository is None else repository.wire()}
    return _changed(f"/v1/projects/{_segment(name)}", Project, fields.validated(ProjectPatch, said).wire())


def set_limits(name: str, limits: ProjectLimits) -> Call[Project]:
    """Say what a project may have from now on."""
    body = fields.validated(ProjectPatch, {"limits": limits.wire()}).wire()
    return _changed(f"/v1/projects/{_segment(name)}", Project, body)


def delete_project(name: str) -> Call[None]:
    """Delete a project without live runs and volumes."""
    return Call(method="DELETE", path=f"/v1/projects/{_segment(name)}", parse=_nothing)


def create_key(name: str, *, access: str, expires_in_seconds: int | None) -> Call[NewKey]:
    """Make an API key."""
    said = {"name": name, "access": access, "expiresInSeconds": expires_in_seconds}
    body = fields.validated(KeySpec, said).wire()
    return replace(_post("/v1/keys", NewKey, body), repeatable=False)  # each would be another


def list_keys() -> Call[KeyList]:
    """Ask for the keys of the project."""
    return _get("/v1/keys", KeyList)


def get_key(key_id: str) -> Call[Key]:
    """Ask for one key."""
    return _get(f"/v1/keys/{_segment(key_id)}", Key)


def delete_key(key_id: str) -> Call[None]:
    """Delete a key."""
    return Call(method="DELETE", path=f"/v1/keys/{_segment(key_id)}", parse=_nothing)


def create_login() -> Call[Login]:
    """Ask for a link with which a browser logs in."""
    return replace(_post("/v1/logins", Login, {}), repeatable=False)  # each would be another


def create_task(
    name: str,
    spec: Mapping[str, object],
    *,
    from_run: str | None = None,
    schedule: Schedule | None = None,
    webhook: bool = False,
    idempotency_key: str | None = None,
) -> Call[Task]:
    """Save a run as a task: one that is described, or one that was."""
    body: fields.Json = {"name": name}
    if schedule is not None:
        body["schedule"] = _schedule(schedule)
    if webhook:
        body["webhook"] = True
    if from_run is not None:
        body["fromRun"] = from_run
    if spec or from_run is None:
        body["spec"] = fields.plain(spec)
    return _post("/v1/tasks", Task, fields.validated(TaskSpec, body).wire(), key=idempotency_key)


def list_tasks() -> Call[TaskList]:
    """Ask for all tasks of the project."""
    return _get("/v1/tasks", TaskList)


def get_task(task: str) -> Call[Task]:
    """Ask for one task, by id or name."""
    return _get(_task(task), Task)


def task_versions(task: str) -> Call[TaskVersionList]:
    """Ask for the versions of a task."""
    return _get(_task(task, "versions"), TaskVersionList)


def change_task(
    task: str,
    changes: Mapping[str, object],
    *,
    rename: str | None = None,
    from_run: str | None = None,
    version: int | None = None,
) -> Call[Task]:
    """Rename a task, change fields of its spec, or give it the spec of a run."""
    said = {"name": rename, "fromRun": from_run, "version": version}
    body: fields.Json = {key: value for key, value in said.items() if value is not None}
    if changes:
        body["spec"] = fields.overrides(changes)
    call = _changed(_task(task), Task, fields.validated(TaskPatch, body).wire())
    return replace(call, repeatable=rename is None and version is None)


def schedule_task(task: str, schedule: Schedule | None) -> Call[Task]:
    """Change a task's schedule, or end it."""
    body = {"schedule": None if schedule is None else _schedule(schedule)}
    return _changed(_task(task), Task, fields.validated(TaskPatch, body).wire())


def open_hook(task: str, *, secret: str | None = None) -> Call[NewHook]:
    """Give a task an address, in the place of the one that it may have."""
    body = fields.validated(HookSpec, {} if secret is None else {"secret": secret})
    return _post(_task(task, "webhook"), NewHook, body.wire())


def close_hook(task: str) -> Call[None]:
    """Take a task's address away."""
    return Call(method="DELETE", path=_task(task, "webhook"), parse=_nothing)


def delete_task(task: str) -> Call[None]:
    """Forget a task."""
    return Call(method="DELETE", path=_task(task), parse=_nothing)


def trigger(task: str, changes: Mapping[str, object], *, idempotency_key: str | None = None) -> Call[Run]:
    """Submit a run of a task, with some fields changed."""
    return _post(_task(task, "trigger"), Run, fields.overrides(changes), key=idempotency_key)


def list_audit(
    *,
    who: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[AuditList]:
    """Ask for a page of who changed what, newest first."""
    query = _query(
        who=who,
        action=action,
        since=format_instant(since) if since else None,
        until=format_instant(until) if until else None,
        limit=limit,
        cursor=cursor,
    )
    return _get("/v1/audit", AuditList, query)


def upload(archive: Pieces) -> Call[Source]:
    """Send a source. The same bytes are the same source, so it can be sent again."""
    return Call(
        method="POST",
        path="/v1/sources",
        parse=Source.model_validate_json,
        body=archive,
        headers=(("Content-Type", TAR), ("Content-Length", str(archive.size_bytes))),
        read_s=STORED_S,
    )


def queue(*, limit: int | None = None) -> Call[Queue]:
    """Ask what of the project holds the host, and who is next."""
    return _get("/v1/queue", Queue, _query(limit=limit))


def usage(month: str | None = None, *, group_by: str | None = None) -> Call[Usage]:
    """Ask for a month's usage, ``"2026-11"``; the present one by default."""
    return _get("/v1/usage", Usage, _query(month=month, groupBy=group_by))


def usage_csv(month: str | None = None, *, group_by: str | None = None) -> Call[str]:
    """Ask for a month's usage as CSV."""
    query = _query(month=month, groupBy=group_by)
    return Call(method="GET", path="/v1/usage", parse=bytes.decode, query=query, accept="text/csv")


def health() -> Call[Health]:
    """Ask whether the daemon and its Engine are well."""
    return _get("/v1/health", Health)


def info() -> Call[Info]:
    """Ask what the daemon is and has."""
    return _get("/v1/info", Info)


def _get(path: str, kind: type[A], query: Query = ()) -> Call[A]:
    return Call(method="GET", path=path, parse=kind.model_validate_json, query=query)


def _post(path: str, kind: type[A], body: fields.Json, *, key: str | None = None) -> Call[A]:
    return Call(
        method="POST",
        path=path,
        parse=kind.model_validate_json,
        body=json.dumps(body).encode(),
        headers=(("Content-Type", JSON), ("Idempotency-Key", key or uuid.uuid4().hex)),
    )


def _patch(run_id: str, body: fields.Json) -> Call[Run]:
    return _changed(_run(run_id), Run, fields.validated(RunPatch, body).wire())


def _changed(path: str, kind: type[A], body: fields.Json) -> Call[A]:
    return Call(
        method="PATCH",
        path=path,
        parse=kind.model_validate_json,
        body=json.dumps(body).encode(),
        headers=(("Content-Type", JSON),),
    )


def _run(run_id: str, *below: str) -> str:
    return "/".join(("/v1/runs", _segment(run_id), *below))


def _secret(name: str) -> str:
    return f"/v1/secrets/{_segment(name)}"


def _webhook(webhook: str, *below: str) -> str:
    return "/".join(("/v1/webhooks", _segment(webhook), *below))


def _task(task: str, *below: str) -> str:
    return "/".join(("/v1/tasks", _segment(task), *below))


def _schedule(schedule: Schedule) -> fields.Json:
    return schedule.wire() if isinstance(schedule, ScheduleSpec) else fields.plain(schedule)


def _events_path(run_id: str | None) -> str:
    return "/v1/events" if run_id is None else _run(run_id, "events")


def _segment(name: str) -> str:
    if not name:
        raise ValueError("an id must not be empty")
    return quote(name, safe="")


def _query(**fields_: str | int | None) -> Query:
    return tuple((key, str(value)) for key, value in fields_.items() if value is not None)


def _nothing(_: bytes) -> None:
    return None
