"""Outgoing webhooks: the list of them, one with its deliveries, and one delivery."""

from aiohttp import web
from runsd_sdk.webhook import ALL, EVENT_TYPES, FINISHED, Delivery, DeliveryList, Webhook, WebhookList

from runsd.api import webhooks
from runsd.api.call import Call
from runsd.web import tags
from runsd.web.page import Shown, ask

_TOPICS = ("events", "webhooks")


class SeenDeliveries(webhooks.DeliveriesQuery, tags.SeenQuery):
    """Which deliveries a page shows, and the tag of them."""


async def index(call: Call) -> Shown:
    """Show all webhooks, the oldest first."""
    found = await _all(call)
    return Shown("webhooks.html", {"webhooks": found.data, "since": tags.tag([found]), **_EVENTS})


async def follow(call: Call) -> web.StreamResponse:
    """Say when the list of webhooks is another."""

    async def look() -> list[WebhookList]:
        return [await _all(call)]

    return await tags.follow(call, look, *_TOPICS)


async def show(call: Call) -> Shown:
    """Show a webhook and what became of its messages."""
    found, page = await _one(call)
    values = {
        "webhook": found,
        "deliveries": page.data,
        "next_cursor": page.next_cursor,
        "query": call.query,
        "since": tags.tag([found, page]),
        "here": call.request.path_qs,
        "search": call.request.query_string,
    }
    return Shown("webhook.html", {**values, **_EVENTS})


async def follow_one(call: Call) -> web.StreamResponse:
    """Say when a webhook, or one of the deliveries that are shown, is another."""
    return await tags.follow(call, lambda: _one(call), *_TOPICS)


async def delivery(call: Call) -> Shown:
    """Show what was sent, and what was answered."""
    found = await ask(call, webhooks.get, Webhook)
    sent = await ask(call, webhooks.delivery, Delivery)
    return Shown("delivery.html", {"webhook": found, "delivery": sent, "since": tags.tag([sent])})


async def follow_delivery(call: Call) -> web.StreamResponse:
    """Say when a delivery has been attempted."""

    async def look() -> list[Delivery]:
        return [await ask(call, webhooks.delivery, Delivery)]

    return await tags.follow(call, look, *_TOPICS)


async def _all(call: Call) -> WebhookList:
    return await ask(call, webhooks.page, WebhookList)


async def _one(call: Call) -> tuple[Webhook, DeliveryList]:
    return await ask(call, webhooks.get, Webhook), await ask(
        call, webhooks.deliveries, DeliveryList, call.query
    )


_EVENTS = {
    "events": [
        ("run.finished", "any run is over"),
        *((event, f"a run is over: {event.partition(':')[2]}") for event in FINISHED),
        *((event, "") for event in EVENT_TYPES if event != "run.finished"),
        (ALL, "all of these"),
    ]
}
