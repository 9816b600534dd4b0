"""Outgoing webhooks: the list of them, one with its deliveries, and one delivery."""

from runsd_sdk.webhook import ALL, EVENT_TYPES, FINISHED, Delivery, DeliveryList, Webhook, WebhookList

from runsd.api import webhooks
from runsd.api.call import Call
from runsd.web.page import Shown, ask


async def index(call: Call) -> Shown:
    """Show all webhooks, the oldest first."""
    found = await ask(call, webhooks.page, WebhookList)
    return Shown("webhooks.html", {"webhooks": found.data, **_EVENTS})


async def show(call: Call) -> Shown:
    """Show a webhook and what became of its messages."""
    found = await ask(call, webhooks.get, Webhook)
    page = await ask(call, webhooks.deliveries, DeliveryList, call.query)
    values = {"webhook": found, "deliveries": page.data, "next_cursor": page.next_cursor, "query": call.query}
    return Shown("webhook.html", {**values, **_EVENTS})


async def delivery(call: Call) -> Shown:
    """Show what was sent, and what was answered."""
    found = await ask(call, webhooks.get, Webhook)
    sent = await ask(call, webhooks.delivery, Delivery)
    return Shown("delivery.html", {"webhook": found, "delivery": sent})


_EVENTS = {
    "events": [
        ("run.finished", "any run is over"),
        *((event, f"a run is over: {event.partition(':')[2]}") for event in FINISHED),
        *((event, "") for event in EVENT_TYPES if event != "run.finished"),
        (ALL, "all of these"),
    ]
}
