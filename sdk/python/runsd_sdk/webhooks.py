"""``client.webhooks``: who is told of the events of runs, and what came of telling them."""

import builtins
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runsd_sdk import calls, unwrapping
from runsd_sdk.webhook import Delivery, DeliveryList, Webhook, WebhookEvent

if TYPE_CHECKING:
    from runsd_sdk.sync import SyncDriver


class Webhooks:
    """The outgoing webhooks of the client's project."""

    def __init__(self, driver: "SyncDriver") -> None:
        self._driver = driver

    def create(
        self,
        url: str,
        *,
        events: Sequence[str] = ("run.finished",),
        description: str = "",
        enabled: bool = True,
    ) -> Webhook:
        """Register a URL. The answer's ``secret`` is told this once; receivers verify with it."""
        call = calls.create_webhook(url, events=events, description=description, enabled=enabled)
        return self._driver.ask(call)

    def list(self) -> builtins.list[Webhook]:
        """Return all webhooks, the oldest first."""
        return self._driver.ask(calls.list_webhooks()).data

    def get(self, webhook: str) -> Webhook:
        """Return one webhook."""
        return self._driver.ask(calls.get_webhook(webhook))

    def update(
        self,
        webhook: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given. To enable one that was disabled sends what it has missed since it failed."""
        call = calls.update_webhook(webhook, url=url, events=events, description=description, enabled=enabled)
        return self._driver.ask(call)

    def rotate(self, webhook: str) -> Webhook:
        """Change the secret: the answer has the new one; for a day the former signs too."""
        return self._driver.ask(calls.rotate_webhook(webhook))

    def delete(self, webhook: str) -> None:
        """Delete a webhook; what is pending is not sent."""
        self._driver.ask(calls.delete_webhook(webhook))

    def test(self, webhook: str) -> Delivery:
        """Send a message of the type ``webhook.test`` once, and return what came of it."""
        return self._driver.ask(calls.test_webhook(webhook))

    def deliveries(
        self, webhook: str, *, status: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> DeliveryList:
        """Return a page of deliveries, newest first."""
        return self._driver.ask(calls.list_deliveries(webhook, status=status, limit=limit, cursor=cursor))

    def delivery(self, webhook: str, delivery: str) -> Delivery:
        """Return one delivery, with its payload."""
        return self._driver.ask(calls.get_delivery(webhook, delivery))

    def redeliver(self, webhook: str, delivery: str) -> Delivery:
        """Send a message again at once, under the same id, and return what came of it."""
        return self._driver.ask(calls.redeliver(webhook, delivery))

    def unwrap(self, body: bytes | str, headers: Mapping[str, str], *, secret: str) -> WebhookEvent:
        """Return what a request has brought, if it is signed with the secret. Raises InvalidSignature.

        ``body`` is the request's own, byte for byte, and ``headers`` are its headers. Asks nobody.
        """
        return unwrapping.unwrap(body, headers, secret=secret)
