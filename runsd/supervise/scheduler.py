"""The scheduler: admits what fits, whenever something may have changed, and keeps the queue's timers."""

import asyncio

import structlog
from runsd_sdk.run import Reason, Status

from runsd.admission import choose
from runsd.clock import Clock
from runsd.errors import RunsdError
from runsd.metrics import Metrics
from runsd.signals import Signals, woken
from runsd.store.attempts import Attempts
from runsd.supervise.disk import DiskWatch
from runsd.supervise.health import EngineMonitor
from runsd.supervise.pace import Pace
from runsd.supervise.supervisor import Supervisor
from runsd.supervise.turns import Turns

log = structlog.get_logger()

# How far down the queue somebody may be found who fits into a gap; bounds the cost of a long queue.
_WINDOW = 64
_LONGEST_SLEEP_S = 60.0
_AFTER_TROUBLE_S = 1.0


class Scheduler:
    """The one place where a queued run becomes a live one."""

    def __init__(
        self,
        attempts: Attempts,
        supervisor: Supervisor,
        monitor: EngineMonitor,
        disk: DiskWatch,
        pace: Pace,
        turns: Turns,
        *,
        metrics: Metrics,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._attempts = attempts
        self._supervisor = supervisor
        self._monitor = monitor
        self._disk = disk
        self._pace = pace
        self._turns = turns
        self._metrics = metrics
        self._signals = signals
        self._clock = clock
        self.draining = False

    @property
    def admitting(self) -> bool:
        """Whether runs are started at the moment."""
        return self._monitor.trouble is None and self._disk.enough and not self.draining

    async def serve(self) -> None:
        """Admit for as long as the daemon lives."""
        with self._signals.listening("queue") as changed:
            while True:
                try:
                    sleep_s = await self._expire()
                    while self.admitting and await self._admit():
                        pass
                except RunsdError as failure:  # the disk is full, say: the queue is kept, and tried again
                    log.error("queue.stalled", error=str(failure))
                    await asyncio.sleep(_AFTER_TROUBLE_S)
                else:
                    await woken(changed, sleep_s)

    async def _expire(self) -> float:
        """End whoever has waited for too long, and return how long to sleep at most."""
        timer_us = await self._attempts.next_timer()
        while timer_us is not None and timer_us <= self._clock():
            for run_id in await self._attempts.expire():
                self._metrics.count_outcome(Status.FAILED, Reason.QUEUE_EXPIRED)
                log.info("run.finished", run=run_id, status="failed", reason="queue_expired")
                self._signals.notify(f"run:{run_id}", f"over:{run_id}", "events")
            timer_us = await self._attempts.next_timer()
        if timer_us is None:
            return _LONGEST_SLEEP_S
        return min(_LONGEST_SLEEP_S, max(0.01, (timer_us - self._clock()) / 1e6))

    async def _admit(self) -> bool:
        # Whoever could not be started at once stays in the queue, where priority counts and nothing is held.
        # Those who wait before another try are on no way to a start.
        starting = await self._attempts.starting(engine=self._monitor.identity) - self._supervisor.pausing
        room = self._pace.enough - starting
        self._pace.followed = room <= 0
        if room <= 0:
            return False
        waiting, holding = await self._turns.waiting(_WINDOW)
        if not waiting:
            return False
        chosen = choose(waiting, holding, self._turns.capacity, most=room)
        self._pace.followed = len(chosen) == room
        for run_id in chosen:
            if await self._attempts.admit(run_id):
                log.info("run.admitted", run=run_id)
                self._signals.notify(f"run:{run_id}", "events")
                self._supervisor.take_up(run_id)
        return len(chosen) == len(waiting) == _WINDOW
