"""How a running container is brought to its end: on record first, then SIGTERM, grace, SIGKILL."""

import time

import structlog
from runsd_sdk.run import Reason

from runsd.clock import since_boot_us
from runsd.errors import NotNow
from runsd.store.attempts import Work
from runsd.supervise.asking import Asking
from runsd.supervise.tools import Tools

log = structlog.get_logger()

# A process that even SIGKILL has not ended (waiting for a disk, a frozen Engine) is signalled again.
_KILL_AGAIN_S = 10.0


class Stopping:
    """The deadline and the cancel of one running container.

    ``reason`` is why it is being stopped, ``signalled`` whether our first signal reached it (None: none was
    due), ``unanswered`` whether the Engine has not said what became of the last one, and ``first`` whether
    the stop began under our eyes rather than a former daemon's.
    """

    def __init__(self, work: Work, container: str, tools: Tools, asking: Asking) -> None:
        self.reason: Reason | None = None
        self.signalled: bool | None = None
        self.unanswered = False
        self.first = work.stop_us is None
        self._tools = tools
        self._asking = asking
        self._container = container
        # Measured by clocks that nobody can step, as far back as the host's boot.
        self._started = time.monotonic() - self._ran_s(work)
        self._kill_at: float | None = None
        self._term_due = False

    async def proceed(self) -> float:
        """Do what is due, and return in how many seconds to look again."""
        work = await self._asking.work()
        if self.reason is None:
            left_s = self._started + work.spec.timeout_seconds - time.monotonic()
            self.reason = work.stop_reason
            if self.reason is None and left_s > 0:
                return left_s
            if self.reason is None and not await self._record(work):
                self._asking.changed()  # its owner was faster with another deadline, or with a cancel
                return 0.0
            grace_s = work.spec.stop_grace_seconds - self._since_s(work.stop_us)
            self._kill_at = time.monotonic() + max(0.0, grace_s)
            self._term_due = grace_s > 0
        if self._term_due and (self._kill_at is None or time.monotonic() < self._kill_at):
            await self._signal("SIGTERM")
        self._term_due = False
        return await self._kill_when_due()

    async def _record(self, work: Work) -> bool:
        """Put the intent on record; a full disk keeps nobody alive who may be the one that fills it."""
        try:
            if not await self._tools.attempts.stop(work, Reason.DEADLINE_EXCEEDED):
                return False
        except NotNow as failure:
            log.error("run.stop_not_recorded", run=work.id, error=str(failure))
        self.reason = Reason.DEADLINE_EXCEEDED
        log.info("run.stopping", run=work.id, attempt=work.attempt, reason=self.reason.value)
        self._tools.tell(work.id)
        return True

    async def _kill_when_due(self) -> float:
        if self._kill_at is None or time.monotonic() >= self._kill_at:
            await self._signal("SIGKILL")
            self._kill_at = time.monotonic() + _KILL_AGAIN_S
        return self._kill_at - time.monotonic()

    async def _signal(self, signal: str) -> None:
        self.unanswered = True
        reached = await self._tools.engine.kill(self._container, signal)
        self.unanswered = False
        if self.signalled is None:
            self.signalled = reached

    def _ran_s(self, work: Work) -> float:
        if work.began_us is None or work.boot != self._tools.boot:
            return self._since_s(work.started_us)
        return max(0.0, (since_boot_us() - work.began_us) / 1e6)

    def _since_s(self, us: int | None) -> float:
        return 0.0 if us is None else max(0.0, (self._tools.clock() - us) / 1e6)
