"""The deliverer: sends what waits, few messages at a time for each webhook, and sends again what failed.

What waits is in the store, written in the transaction of its event. An attempt is recorded after it was made:
a crash in between has the message sent again, under the same id. While there is no webhook nobody tells the
deliverer of events, and it does nothing.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from runsd_sdk.signature import signed_headers

from runsd.clock import Clock
from runsd.errors import NotNow, SecretsLocked
from runsd.keyring import Keyring
from runsd.metrics import Metrics
from runsd.signals import Signals, woken
from runsd.store.deliveries import Attempt, Deliveries, Due, Line
from runsd.webhooks.backoff import PATIENCE_S, pause_s
from runsd.webhooks.sender import Answer, Sender

log = structlog.get_logger()
T = TypeVar("T")

_OF_ONE = 4
_IN_ALL = 64
_LOOK_EVERY_S = 60.0
_WITHOUT_WEBHOOKS_S = 3600.0
# Events come in bursts; those of one are looked at together.
_GATHER_S = 0.02
_DISK_AGAIN_S = 5.0


class Deliverer:
    """Sends deliveries for as long as the daemon lives."""

    def __init__(
        self,
        deliveries: Deliveries,
        sender: Sender,
        keyring: Keyring,
        *,
        metrics: Metrics,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._deliveries = deliveries
        self._sender = sender
        self._keyring = keyring
        self._metrics = metrics
        self._signals = signals
        self._clock = clock
        self._under_way: dict[str, set[int]] = defaultdict(set)
        self._failing: set[str] = set()

    async def serve(self) -> None:
        """Send what is due, whenever something may be."""
        any_webhook = False
        async with asyncio.TaskGroup() as group:
            while True:
                topics = ("webhooks", "events") if any_webhook else ("webhooks",)
                with self._signals.listening(*topics) as changed:
                    while bool(lines := await self._lines()) is any_webhook:
                        await woken(changed, await self._send_due(lines, group))
                        await asyncio.sleep(_GATHER_S)
                any_webhook = not any_webhook

    async def _lines(self) -> Sequence[Line]:
        return await _insisting(self._deliveries.lines)

    async def _send_due(self, lines: Sequence[Line], group: asyncio.TaskGroup) -> float:
        """Begin to send what is due, and return for how long nothing else will be."""
        if not lines:
            return _WITHOUT_WEBHOOKS_S
        now, wait_s = self._clock(), _LOOK_EVERY_S
        for line in lines:
            if line.next_us is None:
                continue
            if line.next_us > now:
                wait_s = min(wait_s, (line.next_us - now) / 1e6)
            elif (free := self._free(line.webhook_id)) > 0:
                await self._begin(line.webhook_id, free, group)
        return wait_s

    def _free(self, webhook_id: str) -> int:
        """Return how many more messages may be on their way to a webhook: one while it is in trouble."""
        under_way = len(self._under_way[webhook_id])
        in_all = sum(len(numbers) for numbers in self._under_way.values())
        of_one = 1 if webhook_id in self._failing else _OF_ONE
        # Whoever has none on its way may always begin: those that are slow hold up nobody else.
        least = 1 if under_way == 0 else 0
        return max(least, min(of_one - under_way, _IN_ALL - in_all))

    async def _begin(self, webhook_id: str, free: int, group: asyncio.TaskGroup) -> None:
        under_way = self._under_way[webhook_id]
        # One whose end is recorded while the store is read may still be among what it returns.
        before = frozenset(under_way)
        due = await _insisting(lambda: self._deliveries.due(webhook_id, free + len(before)))
        for one in [each for each in due if each.number not in before][:free]:
            under_way.add(one.number)
            group.create_task(self._deliver(one), name=f"webhook-{one.message_id}")

    async def _deliver(self, due: Due) -> None:
        at_us = self._clock()
        answer = await self._attempt(due, at_us)
        attempt = Attempt(at_us, answer.duration_us, answer.status_code, answer.error)
        if answer.error is None:
            self._failing.discard(due.webhook_id)
            await _insisting(lambda: self._deliveries.delivered(due, attempt))
        else:
            self._failing.add(due.webhook_id)
            await self._note_failure(due, attempt, answer)
        self._metrics.webhooks.labels("failed" if answer.error else "delivered").inc()
        self._under_way[due.webhook_id].discard(due.number)
        self._signals.notify("webhooks", f"delivery:{due.message_id}")

    async def _attempt(self, due: Due, at_us: int) -> Answer:
        try:
            secrets = await asyncio.to_thread(lambda: [self._keyring.open(each) for each in due.sealed])
        except SecretsLocked as failure:
            return Answer(None, f"cannot sign: {failure}", 0)
        headers = signed_headers(secrets, due.message_id, at_us // 1_000_000, due.body)
        try:
            return await self._sender.send(due.url, due.body, headers)
        except Exception:  # a receiver may answer anything, and must not be able to end the daemon
            log.exception("webhook.sender_failed", webhook=due.webhook_id, message=due.message_id)
            return Answer(None, "runsd failed to send it in a way that its log describes", 0)

    async def _note_failure(self, due: Due, attempt: Attempt, answer: Answer) -> None:
        pause = None
        if not due.is_test:
            pause = pause_s(due.tries + 1, jitter=random.random(), wanted_s=answer.retry_after_s)  # noqa: S311 - spreads load
        next_us = None if pause is None else self._clock() + int(pause * 1e6)
        patience_us = PATIENCE_S * 1_000_000
        why = await _insisting(
            lambda: self._deliveries.failed(
                due, attempt, next_us=next_us, patience_us=patience_us, gone=answer.gone
            )
        )
        said = {"webhook": due.webhook_id, "message": due.message_id, "error": attempt.error}
        log.info("webhook.not_delivered", again_in_s=pause and round(pause), **said)
        if why is not None:
            log.warning("webhook.disabled", webhook=due.webhook_id, reason=why)


async def _insisting(call: Callable[[], Awaitable[T]]) -> T:
    """Return what a call returns; a disk that fails is asked again until it does not.

    What was sent is not sent again meanwhile: it is still on its way.
    """
    while True:
        try:
            return await call()
        except NotNow as failure:
            log.warning("webhook.not_recorded", error=str(failure))
            await asyncio.sleep(_DISK_AGAIN_S)
