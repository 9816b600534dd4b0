"""The Engine's health: one loop asks it, everyone else reads the last answer."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from runsd_sdk.host import EngineHealth, EngineState

from runsd.clock import Clock, instant
from runsd.engine.port import Engine, EngineFacts, Overdue
from runsd.errors import EngineError
from runsd.signals import Signals, woken

log = structlog.get_logger()

OnReturn = Callable[[EngineFacts], Awaitable[None]]
"""Called whenever the Engine answers again: it may be another one."""

_EVERY_S = 5.0
_WHEN_DOWN_S = 1.0


class EngineMonitor:
    """Whether the Engine answers, since when, and what it is.

    An Engine can be gone (nothing can be asked), or stuck: it answers, but owes the answer to some call for
    longer than ``stuck_after_s`` (``stuck_after_s`` and a round of questions bound how long that goes
    unnoticed). Then nothing more is started, and everything else goes on.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str,
        stuck_after_s: float,
        clock: Clock,
        signals: Signals,
        on_return: OnReturn,
    ) -> None:
        self._engine = engine
        self._host = host
        self._stuck_after_s = stuck_after_s
        self._clock = clock
        self._signals = signals
        self._on_return = on_return
        self._state = EngineState.UNREACHABLE
        self._since_us = clock()
        self._reachable = asyncio.Event()
        self._message: str | None = "not asked yet"
        self._outage_us: tuple[int, int] | None = None
        self._doubted = False
        self._met = False
        self.facts: EngineFacts | None = None

    @property
    def reachable(self) -> bool:
        """Whether it answered the last time."""
        return self._reachable.is_set()

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, in words; None when it is well and runs may be started."""
        return self._message

    @property
    def health(self) -> EngineHealth:
        """The public words for it."""
        return EngineHealth(
            state=self._state,
            reachable=self.reachable,
            version=self.facts.version if self.facts else None,
            api_version=self.facts.api_version if self.facts else None,
            since=instant(self._since_us),
            message=self._message,
        )

    @property
    def identity(self) -> str | None:
        """Which Engine answers, or was the last to."""
        return self.facts.identity if self.facts else None

    def was_away(self, at_us: int) -> bool:
        """Say whether the Engine was last away, or on its way out, at an instant."""
        if self._outage_us is None:
            return False
        gone_us, back_us = self._outage_us
        return gone_us - _LEAVING_US <= at_us <= back_us

    async def answering(self) -> None:
        """Return when the Engine answers; there is no bound, for nothing can be done without it."""
        await self._reachable.wait()

    def doubt(self) -> None:
        """Ask again at once: a call has just failed."""
        self._doubted = True
        self._signals.notify("engine.doubt")

    async def serve(self) -> None:
        """Ask for as long as the daemon lives."""
        with self._signals.listening("engine.doubt") as doubted:
            while True:
                await self.ask()
                await woken(doubted, _EVERY_S if self.reachable else _WHEN_DOWN_S)
                if not self.reachable:
                    await asyncio.sleep(_WHEN_DOWN_S)  # whatever was doubted, a dead Engine is asked calmly

    async def ask(self) -> None:
        """Ask once."""
        try:
            await self._engine.ping()
            if self._doubted or not self.reachable:  # it may have been replaced behind its socket
                self._doubted = False
                facts = await self._engine.facts()
                if facts.identity != self.identity or not self.reachable:
                    await self._on_return(facts)
                self.facts = facts
        except (EngineError, LookupError, ValueError) as failure:  # no answer, or none that makes sense
            said = f"{failure}; is dockerd running, and is {self._host} right?"
            self._became(EngineState.UNREACHABLE, said)
            return
        overdue = self._engine.overdue()
        if overdue is not None and overdue.seconds > self._stuck_after_s:
            self._became(EngineState.STUCK, _stuck(overdue))
        else:
            self._became(EngineState.ANSWERING, None)

    def _became(self, state: EngineState, message: str | None) -> None:
        self._message = message
        if state == self._state:
            return
        now, before = self._clock(), self._state
        if before is EngineState.UNREACHABLE and self._met:
            self._outage_us = (self._since_us, now)
        self._met = True
        self._state, self._since_us = state, now
        if state is EngineState.UNREACHABLE:
            self._reachable.clear()
        else:
            self._reachable.set()
        version = self.facts.version if self.facts else None
        say = log.info if state is EngineState.ANSWERING else log.warning
        say(f"engine.{state}", before=before.value, version=version, error=message)
        self._signals.notify("queue", "engine")


# An Engine that is asked to leave stops its containers first, for 10 s and a little.
_LEAVING_US = 15_000_000


def _stuck(overdue: Overdue) -> str:
    return (
        f"the Docker Engine answers, but not to {overdue.kind!r}, for {overdue.seconds:.0f} s: it is stuck;"
        " restart it (systemctl restart docker; kill -9 its dockerd where that hangs)"
    )
