"""Outgoing webhooks over HTTP. The secret of one is answered when it is made or changed, and never again."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field
from runsd_sdk.webhook import Delivery, DeliveryStatus, Webhook, WebhookList, WebhookPatch, WebhookSpec
from yarl import URL

from runsd.access import Access
from runsd.api.call import Call, Query, Reply
from runsd.errors import Refused
from runsd.signals import woken
from runsd.webhooks.addresses import parsed, refusal
from runsd.webhooks.sender import ANSWER_S

_ATTEMPT_S = ANSWER_S + 10
_MOST = 2**62


class DeliveriesQuery(Query):
    """Which deliveries: of a status, how many, and from where on."""

    status: DeliveryStatus | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[int, Field(ge=1, le=_MOST)] | None = None


async def create(call: Call) -> Reply:
    """Register a URL that is told of events; the answer alone has its secret."""
    spec: WebhookSpec = call.body
    _check(call, spec.url)
    webhook = await call.services.webhooks.add(call.project, spec)
    call.services.signals.notify("webhooks")
    return Reply(webhook, HTTPStatus.CREATED, {"Location": f"/v1/webhooks/{webhook.id}"})


async def page(call: Call) -> Reply:
    """List the webhooks."""
    found = await call.services.webhooks.list(call.project)
    return Reply(WebhookList(data=[_shown(call, webhook) for webhook in found]))


async def get(call: Call) -> Reply:
    """Return a webhook."""
    return Reply(_shown(call, await call.services.webhooks.get(call.project, call.id)))


async def change(call: Call) -> Reply:
    """Change URL, events or description of a webhook; enable or disable it."""
    patch: WebhookPatch = call.body
    if patch.url is not None:
        _check(call, patch.url)
    webhook = await call.services.webhooks.change(call.project, call.id, patch)
    call.services.signals.notify("webhooks")
    return Reply(webhook)


async def rotate(call: Call) -> Reply:
    """Change a webhook's secret; the former signs beside it for a day."""
    return Reply(await call.services.webhooks.rotate(call.project, call.id))


async def delete(call: Call) -> Reply:
    """Delete a webhook; what is pending is not sent."""
    await call.services.webhooks.delete(call.project, call.id)
    call.services.signals.notify("webhooks")
    return Reply(status=HTTPStatus.NO_CONTENT)


async def test(call: Call) -> Reply:
    """Send a test message once, and answer when the receiver has."""
    deliveries = call.services.deliveries
    await call.services.webhooks.get(call.project, call.id)
    id = await deliveries.add_test(call.project, call.id)
    return Reply(await _attempted(call, id, 0), HTTPStatus.CREATED)


async def deliveries(call: Call) -> Reply:
    """List a webhook's deliveries, newest first."""
    query: DeliveriesQuery = call.query
    await call.services.webhooks.get(call.project, call.id)
    status = None if query.status is None else query.status.value
    found = await call.services.deliveries.page(
        call.id, status=status, limit=query.limit, before=query.cursor
    )
    return Reply(found)


async def delivery(call: Call) -> Reply:
    """Return a delivery with its payload."""
    await call.services.webhooks.get(call.project, call.id)
    return Reply(await call.services.deliveries.get(call.id, _message(call)))


async def redeliver(call: Call) -> Reply:
    """Send a message again under its id, and answer when the receiver has."""
    await call.services.webhooks.get(call.project, call.id)
    before = await call.services.deliveries.get(call.id, _message(call))
    await call.services.deliveries.send_again(call.project, call.id, before.id)
    return Reply(await _attempted(call, before.id, len(before.attempts)))


async def _attempted(call: Call, id: str, before: int) -> Delivery:
    """Return a delivery after its next attempt, or as it is when that takes too long."""
    services = call.services
    with services.signals.listening(f"delivery:{id}", "draining") as changed:
        services.signals.notify("webhooks")
        found = await services.deliveries.get(call.id, id)
        while len(found.attempts) == before and not services.draining.is_set():
            if not await woken(changed, _ATTEMPT_S):
                break
            found = await services.deliveries.get(call.id, id)
    return found


def _shown(call: Call, webhook: Webhook) -> Webhook:
    """Hide of the URL what comes after its host from those who may only read: many a path is a password."""
    if call.caller.access.includes(Access.WRITE):
        return webhook
    return webhook.model_copy(update={"url": f"{URL(webhook.url).origin()}/…"})


def _message(call: Call) -> str:
    return call.request.match_info["delivery"]


def _check(call: Call, url: str) -> None:
    """Raise Refused for an address that is never sent to; what a name stands for is looked at each time."""
    try:
        host = URL(url).host or ""
    except ValueError as failure:
        raise _refused(f"this is no URL: {failure}") from failure
    why = refusal(host, call.services.settings.webhooks.networks) if parsed(host) else None
    if why is not None:
        raise _refused(f"it is {why}; an admin may allow it with webhooks.allow")


def _refused(said: str) -> Refused:
    return Refused(f"cannot register this webhook: {said}", errors=[(("url",), said)])
