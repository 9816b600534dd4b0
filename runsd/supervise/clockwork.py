"""The clockwork: starts tasks at the instants that their schedules name.

What has become of an instant is noted in the transaction that makes its run, and nothing else is remembered:
a daemon that was killed looks through what has come since, as one that has slept does, and as one does whose
host's clock was stepped.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from runsd_sdk.run import Run
from runsd_sdk.spec import RunSpec

from runsd import cron, schedule
from runsd.clock import Clock
from runsd.errors import Refused, RunsdError, SecretsLocked
from runsd.metrics import Metrics
from runsd.signals import Signals, woken
from runsd.store.schedules import Came, Due, Scheduled, Schedules, Turn

log = structlog.get_logger()

Accept = Callable[[str, RunSpec], Awaitable[RunSpec]]
# While a host sleeps no timer of a process goes on.
_LONGEST_SLEEP_S = 20.0
_AFTER_TROUBLE_S = 1.0


class Clockwork:
    """Decides on every instant once. ``check`` may raise what forbids to accept a run now."""

    def __init__(
        self,
        schedules: Schedules,
        accept: Accept,
        *,
        check: Callable[[], None],
        metrics: Metrics,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._schedules = schedules
        self._accept = accept
        self._check = check
        self._metrics = metrics
        self._signals = signals
        self._clock = clock
        self._looked_at_all = False

    async def serve(self) -> None:
        """Start what is due for as long as the daemon lives."""
        while True:
            try:
                before = await self._schedules.in_the_way()
                with self._signals.listening(
                    "schedules", *(f"over:{run_id}" for run_id in before)
                ) as changed:
                    if not await self.turn():
                        await woken(changed, await self._sleep_s())
            except RunsdError as failure:  # the disk is full, say: what is due stays due
                log.error("schedules.stalled", error=str(failure))
                await asyncio.sleep(_AFTER_TROUBLE_S)

    async def turn(self) -> bool:
        """Decide on what has come; say whether anything has."""
        moved = False
        for due in await self._to_decide():
            moved |= await self._decide(due)
        self._looked_at_all = True
        for waiting in await self._schedules.ready():
            spec = await self._accepted(waiting.task)
            self._tell(await self._schedules.start(waiting, spec, check=self._check))
            moved = True
        return moved

    async def _to_decide(self) -> list[Due]:
        """At the start that may be all: the rules of a time zone may be others than those of before."""
        if self._looked_at_all:
            return await self._schedules.due(self._clock())
        return await self._schedules.all()

    async def _decide(self, due: Due) -> bool:
        now_us = self._clock()
        through_us = schedule.settled_us(due.through_us, now_us)
        try:
            instants = schedule.due(
                due.timing, through_us=due.through_us, present_us=now_us, jumped_us=due.jumped_us
            )
            next_us = cron.first(due.timing.cron, due.timing.timezone, through_us)
        except cron.CronError as failure:
            log.warning("schedule.unreadable", task=due.task.task_id, error=str(failure))
            return False
        stepped = due.jumped_us is not None or due.through_us > through_us
        if not instants and next_us == due.next_us and not stepped:
            return False
        spec = await self._accepted(due.task) if instants else due.task.spec
        came = await self._schedules.decide(due, Turn(through_us, instants, next_us, spec), check=self._check)
        if came is not None:
            self._tell(came)
        return True

    async def _accepted(self, task: Scheduled) -> RunSpec | Refused:
        if isinstance(task.spec, Refused):
            log.warning("task.unreadable", task=task.task_id, version=task.version, error=str(task.spec))
            return task.spec
        try:
            return await self._accept(task.project, task.spec)
        except Refused as failure:
            return failure
        except SecretsLocked as failure:
            return Refused(f"cannot accept this run: {failure}")

    def _tell(self, came: Came) -> None:
        for run in came.started:
            log.info("run.submitted", run=run.id, task=run.task, scheduled=str(run.scheduled_at))
        self._metrics.submitted.inc(len(came.started))
        for run in came.ended:
            self._tell_ended(run)
        if came.started or came.ended:
            self._signals.notify("queue", "events")

    def _tell_ended(self, run: Run) -> None:
        topics = [f"ask:{run.id}", f"run:{run.id}"]
        if run.status.terminal and run.reason is not None:
            self._metrics.count_outcome(run.status, run.reason)
            topics.append(f"over:{run.id}")
        log.info("run.replaced", run=run.id, task=run.task)
        self._signals.notify(*topics)

    async def _sleep_s(self) -> float:
        now_us = self._clock()
        next_us = await self._schedules.next_us(now_us)
        if next_us is None:
            return _LONGEST_SLEEP_S
        return min(_LONGEST_SLEEP_S, max(0.01, (next_us - now_us) / 1e6))
