"""The timekeeper: notices that somebody stepped the host's clock, and lets no timer of a run notice it.

Deadlines of running containers are measured by clocks that nobody can step; what waits on the wall clock (a
backoff, the time in the queue, the deadline that people are shown) is moved along with it, also for a step
that came while no daemon was there.
"""

import asyncio

import structlog

from runsd.clock import Clock, since_boot_us
from runsd.errors import NotNow
from runsd.signals import Signals
from runsd.store.timers import Reading, Timers

log = structlog.get_logger()

_EVERY_S = 1.0
# A clock that is steered (NTP slews by 0.5 ms a second at most) drifts; one that moves further was stepped.
_TOLERANCE_US = 1_000_000


class Timekeeper:
    """Compares the wall clock with the one that counts since the host's boot."""

    def __init__(self, timers: Timers, *, boot: str, clock: Clock, signals: Signals) -> None:
        self._timers = timers
        self._boot = boot
        self._clock = clock
        self._signals = signals

    async def serve(self) -> None:
        """Compare for as long as the daemon lives."""
        last = await self._timers.last_reading()
        while True:
            now = self._read()
            if last is None or last.boot != now.boot:
                last = await self._moved(0, now) or last
            elif abs(by_us := now.stepped_us(last)) > _TOLERANCE_US:
                last = await self._moved(by_us, now) or last
            await asyncio.sleep(_EVERY_S)

    async def _moved(self, by_us: int, now: Reading) -> Reading | None:
        try:
            await self._timers.move(by_us, now)
        except NotNow as failure:
            log.warning("clock.timers_not_moved", error=str(failure))
            return None
        if by_us:
            log.warning("clock.stepped", by_seconds=round(by_us / 1e6, 3))
            self._signals.notify("queue")
        return now

    def _read(self) -> Reading:
        return Reading(self._boot, self._clock(), since_boot_us())
