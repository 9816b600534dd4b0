"""The timekeeper: notices that somebody stepped the host's clock, and lets no timer of a run notice it.

Deadlines of running containers are measured by clocks that nobody can step; what waits on the wall clock (a
backoff, the time in the queue, the deadline that people are shown) is moved along with it, also for a step
that came while no daemon was there.
"""

import asyncio

import structlog

from runsd.clock import SteadyClock, now_us, since_boot_us
from runsd.errors import NotNow
from runsd.signals import Signals
from runsd.store.timers import Reading, Timers

log = structlog.get_logger()

_EVERY_S = 1.0
# A clock that is steered (NTP slews by 0.5 ms a second at most) drifts; one that moves further was stepped.
_TOLERANCE_US = 1_000_000


class Timekeeper:
    """Compares the wall clock with the one that counts since the host's boot; leads the daemon's own."""

    def __init__(self, timers: Timers, *, boot: str, clock: SteadyClock, signals: Signals) -> None:
        self._timers = timers
        self._boot = boot
        self._clock = clock
        self._signals = signals

    async def serve(self) -> None:
        """Compare for as long as the daemon lives."""
        while True:
            await self._follow(self._clock.behind_us())
            await asyncio.sleep(_EVERY_S)

    async def catch_up(self) -> None:
        """Do at the start for a step of which no daemon was a witness. Raises NotNow."""
        last, now = await self._timers.last_reading(), self._read()
        by_us = 0 if last is None else now.stepped_us(last)
        if last is None or last.boot != now.boot or abs(by_us) > _TOLERANCE_US:
            await self._move(by_us, now)

    async def _follow(self, by_us: int) -> None:
        if abs(by_us) > _TOLERANCE_US:
            try:
                await self._move(by_us, self._read())
            except NotNow as failure:  # the timers and the clock that they are compared with stay together
                log.warning("clock.timers_not_moved", error=str(failure))
                return
        self._clock.follow()
        if abs(by_us) > _TOLERANCE_US:
            self._signals.notify("queue", "schedules")

    async def _move(self, by_us: int, now: Reading) -> None:
        await self._timers.move(by_us, now)
        if by_us:
            log.warning("clock.stepped", by_seconds=round(by_us / 1e6, 3))

    def _read(self) -> Reading:
        return Reading(self._boot, now_us(), since_boot_us())
