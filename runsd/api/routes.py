"""The route table: every path, what it takes and what it answers. App and OpenAPI are made from it."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel
from runsd_sdk import host, key, project, run, secret, spec, task, webhook
from runsd_sdk.audit import AuditList
from runsd_sdk.wire import Answer

from runsd.access import Access
from runsd.api import (
    audit,
    events,
    hooks,
    keys,
    lines,
    logins,
    logs,
    programs,
    projects,
    runs,
    secrets,
    sources,
    system,
    tasks,
    usage,
    volumes,
    webhooks,
)
from runsd.api.call import MIB, Handler, NoQuery, Query
from runsd.api.hooks import ANY
from runsd.api.streams import NDJSON, SSE, TEXT
from runsd.metrics import CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. ``answer`` None: no JSON; ``media`` names what is answered besides.

    ``takes`` is the media type of a body that is no JSON: the handler reads it, piece by piece. ``access`` is
    what its caller must have, in the project or, with ``host``, on the host as a whole. What is not ``noted``
    changes nothing that lasts, and the audit has no entry of it.
    """

    method: str
    path: str
    handler: Handler
    answer: type[Answer] | None
    access: Access = field(kw_only=True)
    host: bool = field(default=False, kw_only=True)
    body: type[BaseModel] | None = None
    takes: str | None = None
    query: type[Query] = NoQuery
    status: int = 200
    media: tuple[str, ...] = ()
    most_bytes: int = MIB
    keyed: bool = False
    noted: bool = True

    @property
    def action(self) -> str | None:
        """What the audit calls what is done here, as in ``run.create``; None where nothing may be changed."""
        if self.method == "GET" or not self.noted:
            return None
        noun, verb = self.handler.__module__.rpartition(".")[2], self.handler.__name__
        return f"{noun.removesuffix('s')}.{verb.removesuffix('_batch')}"


_RUN: Final = "/v1/runs/{id}"
_VOLUME: Final = "/v1/volumes/{id}"
_WEBHOOK: Final = "/v1/webhooks/{id}"
_DELIVERY: Final = f"{_WEBHOOK}/deliveries/{{delivery}}"
_KEY: Final = "/v1/keys/{id}"
_PROJECT: Final = "/v1/projects/{name}"
READ, WRITE, ADMIN = Access.READ, Access.WRITE, Access.ADMIN
_TASK: Final = "/v1/tasks/{id}"

ROUTES: Final = (
    Route("POST", "/v1/runs", runs.create, run.Run, spec.RunSpec, status=201, keyed=True, access=WRITE),
    Route(
        "POST", "/v1/runs/batch", runs.create_batch, run.RunBatch, spec.Batch,
        status=201, most_bytes=10 * MIB, keyed=True, access=WRITE,
    ),
    Route(
        "POST", "/v1/runs/rerun", runs.rerun_batch, run.RunBatch, spec.Reruns,
        status=201, keyed=True, access=WRITE,
    ),
    Route("GET", "/v1/runs", runs.page, run.RunList, query=runs.RunQuery, access=READ),
    Route("GET", "/v1/queue", runs.queue, run.Queue, query=runs.QueueQuery, access=READ),
    Route("GET", _RUN, runs.get, run.Run, access=READ),
    Route("GET", f"{_RUN}/batch", runs.batch, run.BatchState, access=READ),
    Route("PATCH", _RUN, runs.change, run.Run, spec.RunPatch, access=WRITE),
    Route("DELETE", _RUN, runs.delete, None, status=204, access=WRITE),
    Route("GET", f"{_RUN}/wait", runs.wait, run.Run, query=runs.WaitQuery, access=READ),
    Route("GET", f"{_RUN}/result", runs.result, run.RunResult, access=READ),
    Route("POST", f"{_RUN}/cancel", runs.cancel, run.Run, access=WRITE),
    Route("POST", f"{_RUN}/rerun", runs.rerun, run.Run, runs.Overrides, status=201, keyed=True, access=WRITE),
    Route(
        "GET", f"{_RUN}/logs", logs.read, None,
        query=logs.LogsQuery, media=(TEXT, NDJSON, SSE), access=READ,
    ),
    Route("GET", f"{_RUN}/logs/lines", lines.page, run.LogLines, query=lines.LinesQuery, access=READ),
    Route(
        "GET", f"{_RUN}/logs/matches", lines.matches, run.LogMatches,
        query=lines.MatchesQuery, access=READ,
    ),
    Route(
        "GET", f"{_RUN}/events", events.of_run, run.EventList,
        query=events.EventsQuery, media=(SSE,), access=READ,
    ),
    Route("GET", f"{_RUN}/metrics", runs.metrics, run.Metrics, access=READ),
    Route("GET", f"{_RUN}/attempts", runs.attempts, run.RunAttempts, access=READ),
    Route("GET", f"{_RUN}/problems", programs.page, run.RunProblems, access=READ),
    Route("GET", f"{_RUN}/lock", programs.lock, None, media=(TEXT,), access=READ),
    Route("GET", f"{_RUN}/why", runs.why, run.Why, access=READ),
    Route(
        "GET", "/v1/events", events.of_all, run.EventList,
        query=events.EventsQuery, media=(SSE,), access=READ,
    ),
    Route("POST", "/v1/volumes", volumes.create, host.Volume, spec.VolumeSpec, status=201, access=WRITE),
    Route("GET", "/v1/volumes", volumes.page, host.VolumeList, access=READ),
    Route("GET", _VOLUME, volumes.get, host.Volume, access=READ),
    Route("DELETE", _VOLUME, volumes.delete, None, status=204, access=WRITE),
    Route("GET", "/v1/secrets", secrets.page, host.SecretList, access=READ),
    Route("PUT", "/v1/secrets/{name}", secrets.set, host.Secret, secret.SecretValue, access=WRITE),
    Route("DELETE", "/v1/secrets/{name}", secrets.delete, None, status=204, access=WRITE),
    Route(
        "POST", "/v1/webhooks", webhooks.create, webhook.Webhook, webhook.WebhookSpec,
        status=201, access=WRITE,
    ),
    Route("GET", "/v1/webhooks", webhooks.page, webhook.WebhookList, access=READ),
    Route("GET", _WEBHOOK, webhooks.get, webhook.Webhook, access=READ),
    Route("PATCH", _WEBHOOK, webhooks.change, webhook.Webhook, webhook.WebhookPatch, access=WRITE),
    Route("DELETE", _WEBHOOK, webhooks.delete, None, status=204, access=WRITE),
    Route("POST", f"{_WEBHOOK}/rotate", webhooks.rotate, webhook.Webhook, access=WRITE),
    Route("POST", f"{_WEBHOOK}/test", webhooks.test, webhook.Delivery, status=201, access=WRITE),
    Route(
        "GET", f"{_WEBHOOK}/deliveries", webhooks.deliveries, webhook.DeliveryList,
        query=webhooks.DeliveriesQuery, access=READ,
    ),
    Route("GET", _DELIVERY, webhooks.delivery, webhook.Delivery, access=READ),
    Route("POST", f"{_DELIVERY}/redeliver", webhooks.redeliver, webhook.Delivery, access=WRITE),
    Route("POST", "/v1/tasks", tasks.create, task.Task, task.TaskSpec, status=201, keyed=True, access=WRITE),
    Route("GET", "/v1/tasks", tasks.page, task.TaskList, access=READ),
    Route("GET", _TASK, tasks.get, task.Task, access=READ),
    Route("PATCH", _TASK, tasks.change, task.Task, task.TaskPatch, access=WRITE),
    Route("DELETE", _TASK, tasks.delete, None, status=204, access=WRITE),
    Route("GET", f"{_TASK}/versions", tasks.versions, task.TaskVersionList, access=READ),
    Route(
        "POST", f"{_TASK}/trigger", tasks.trigger, run.Run, runs.Overrides,
        status=201, keyed=True, access=WRITE,
    ),
    Route("POST", f"{_TASK}/webhook", hooks.create, task.NewHook, task.HookSpec, status=201, access=WRITE),
    Route("DELETE", f"{_TASK}/webhook", hooks.delete, None, status=204, access=WRITE),
    Route(
        "POST", "/v1/hooks/{token}", hooks.receive, task.HookReceipt,
        takes=ANY, status=201, access=Access.NONE,
    ),
    Route("POST", "/v1/sources", sources.create, host.Source, takes=sources.TAR, status=201, access=WRITE),
    Route("GET", "/v1/sources/{id}", sources.get, host.Source, access=READ),
    Route(
        "GET", "/v1/usage", usage.month, host.Usage,
        query=usage.UsageQuery, media=(usage.CSV,), access=READ,
    ),
    Route("POST", "/v1/keys", keys.create, key.NewKey, key.KeySpec, status=201, access=ADMIN),
    Route("GET", "/v1/keys", keys.page, key.KeyList, access=ADMIN),
    Route("GET", _KEY, keys.get, key.Key, access=ADMIN),
    Route("DELETE", _KEY, keys.delete, None, status=204, access=ADMIN),
    Route("POST", "/v1/logins", logins.create, key.Login, status=201, access=READ, noted=False),
    Route("GET", "/v1/audit", audit.page, AuditList, query=audit.AuditQuery, access=ADMIN),
    Route("GET", "/v1/projects", projects.page, project.ProjectList, access=READ),
    Route(
        "POST", "/v1/projects", projects.create, project.Project, project.ProjectSpec,
        status=201, access=ADMIN, host=True,
    ),
    Route("GET", _PROJECT, projects.get, project.Project, access=READ),
    Route("PATCH", _PROJECT, projects.change, project.Project, project.ProjectPatch, access=ADMIN, host=True),
    Route("DELETE", _PROJECT, projects.delete, None, status=204, access=ADMIN, host=True),
    Route("GET", "/v1/health", system.health, host.Health, access=READ),
    Route("GET", "/v1/info", system.info, host.Info, access=READ),
    Route("GET", "/metrics", system.metrics, None, media=(CONTENT_TYPE,), access=READ, host=True),
)  # fmt: skip
