"""The table of pages: what a browser can look at, below ``/p/{project}``."""

from typing import Final

from runsd.access import Access
from runsd.api.events import EventsQuery
from runsd.api.logs import ViewQuery
from runsd.api.usage import UsageQuery
from runsd.api.webhooks import DeliveriesQuery
from runsd.web import (
    batches,
    details,
    host,
    live,
    logs,
    metrics,
    new,
    problems,
    results,
    runs,
    secrets,
    settings,
    tags,
    tasks,
    usage,
    volumes,
    watching,
    webhooks,
)
from runsd.web.page import Page

PAGES: Final = (
    Page("/runs", runs.index, query=runs.IndexQuery),
    Page("/new", new.form, query=new.FormQuery, access=Access.WRITE),
    Page("/new/copy", new.copy, method="POST"),
    Page("/batches/{id}", batches.index, query=batches.BatchQuery),
    Page("/usage", usage.month, query=usage.MonthQuery),
    Page("/usage.csv", usage.table, query=UsageQuery),
    Page("/usage/live", usage.follow, query=live.LiveQuery),
    Page("/host", host.index),
    Page("/host/live", host.follow, query=live.LiveQuery),
    Page("/settings", settings.index, access=Access.ADMIN),
    Page("/audit", settings.log, query=settings.LogQuery, access=Access.ADMIN),
    Page("/live", live.of_runs, query=live.LiveQuery),
    Page("/runs/{id}", details.show),
    Page("/runs/{id}/logs", logs.show, query=ViewQuery),
    Page("/runs/{id}/problems", problems.show),
    Page("/runs/{id}/results", results.show),
    Page("/runs/{id}/value.json", results.value),
    Page("/runs/{id}/metrics", metrics.show),
    Page("/runs/{id}/events", details.happened, query=EventsQuery),
    Page("/runs/{id}/live", watching.follow, query=live.LiveQuery),
    Page("/tasks", tasks.index),
    Page("/tasks/{id}", tasks.show),
    Page("/tasks/{id}/versions", tasks.versions),
    Page("/schedule", tasks.preview, query=tasks.PreviewQuery, access=Access.WRITE),
    Page("/volumes", volumes.index),
    Page("/secrets", secrets.index),
    Page("/webhooks", webhooks.index),
    Page("/live/webhooks", webhooks.follow, query=tags.SeenQuery),
    Page("/webhooks/{id}", webhooks.show, query=DeliveriesQuery),
    Page("/webhooks/{id}/live", webhooks.follow_one, query=webhooks.SeenDeliveries),
    Page("/webhooks/{id}/deliveries/{delivery}", webhooks.delivery),
    Page("/webhooks/{id}/deliveries/{delivery}/live", webhooks.follow_delivery, query=tags.SeenQuery),
)
