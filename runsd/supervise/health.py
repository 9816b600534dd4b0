"""The Engine's health: one loop asks it, everyone else reads the last answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from runsd_sdk.host import EngineHealth

from runsd.clock import Clock, instant
from runsd.engine.port import Engine, EngineFacts
from runsd.errors import EngineError
from runsd.signals import Signals, woken

log = structlog.get_logger()

OnReturn = Callable[[EngineFacts], Awaitable[None]]
"""Called whenever the Engine answers again: it may be another one."""

_EVERY_S = 5.0
_WHEN_DOWN_S = 1.0


class EngineMonitor:
    """Whether the Engine answers, since when, and what it is."""

    def __init__(
        self, engine: Engine, *, host: str, clock: Clock, signals: Signals, on_return: OnReturn
    ) -> None:
        self._engine = engine
        self._host = host
        self._clock = clock
        self._signals = signals
        self._on_return = on_return
        self._since: datetime = instant(clock())
        self._reachable = asyncio.Event()
        self._message: str | None = "not asked yet"
        self.facts: EngineFacts | None = None

    @property
    def reachable(self) -> bool:
        """Whether it answered the last time."""
        return self._reachable.is_set()

    @property
    def health(self) -> EngineHealth:
        """The public words for it."""
        return EngineHealth(
            reachable=self.reachable,
            version=self.facts.version if self.facts else None,
            api_version=self.facts.api_version if self.facts else None,
            since=self._since,
            message=self._message,
        )

    async def answering(self) -> None:
        """Return when the Engine answers; there is no bound, for nothing can be done without it."""
        await self._reachable.wait()

    def doubt(self) -> None:
        """Ask again at once: a call has just failed."""
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
            if not self.reachable:
                self.facts = await self._engine.facts()
                await self._on_return(self.facts)
        except (EngineError, LookupError, ValueError) as failure:  # no answer, or none that makes sense
            self._became(
                reachable=False, message=f"{failure}; is dockerd running, and is {self._host} right?"
            )
        else:
            self._became(reachable=True, message=None)

    def _became(self, *, reachable: bool, message: str | None) -> None:
        self._message = message
        if reachable == self.reachable:
            return
        self._since = instant(self._clock())
        if reachable:
            self._reachable.set()
            log.info("engine.reachable", version=self.facts.version if self.facts else None)
        else:
            self._reachable.clear()
            log.warning("engine.unreachable", error=message)
        self._signals.notify("queue", "engine")
