"""How a running container is brought to its end: on record first, then SIGTERM, grace, SIGKILL."""

import time

from runsd_sdk.run import Reason

from runsd.clock import Clock
from runsd.engine.port import ContainerFacts, Engine
from runsd.store.attempts import Attempts, Work

# A process that even SIGKILL has not ended (waiting for a disk, a frozen Engine) is signalled again.
_KILL_AGAIN_S = 10.0


class Stopping:
    """The deadline and the cancel of one running container.

    ``signalled`` tells whether our first signal reached it: None when none was due, False when the container
    had ended by itself before.
    """

    def __init__(
        self, work: Work, facts: ContainerFacts, attempts: Attempts, engine: Engine, clock: Clock
    ) -> None:
        self._work = work
        self._container = facts.id
        self._attempts = attempts
        self._engine = engine
        # From here on time is measured by the monotonic clock: stepping the host's clock moves no deadline.
        ran_s = max(0.0, (clock() - (facts.started_us or clock())) / 1e6)
        self._started = time.monotonic() - ran_s
        self._kill_at: float | None = None
        self.signalled: bool | None = None

    async def proceed(self) -> float:
        """Do what is due, and return in how many seconds to look again."""
        work = await self._attempts.work(self._work.id) or self._work
        now = time.monotonic()
        if work.stop_reason is None:
            left = self._started + work.spec.timeout_seconds - now
            if left > 0:
                return left
            await self._attempts.stop(work, Reason.DEADLINE_EXCEEDED)
        if self._kill_at is None:
            self._kill_at = now + work.spec.stop_grace_seconds
            if now < self._kill_at:
                await self._signal("SIGTERM")
        if now >= self._kill_at:
            await self._signal("SIGKILL")
            self._kill_at = now + _KILL_AGAIN_S
        return self._kill_at - time.monotonic()

    async def _signal(self, signal: str) -> None:
        reached = await self._engine.kill(self._container, signal)
        if self.signalled is None:
            self.signalled = reached
