"""Time: one place that reads the host's clocks, and the one unit that is stored."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

AN_EARLIER_BOOT = "earlier"
"""Stands for a boot of the host whose name nobody wrote down."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Clock = Callable[[], int]
"""Returns the present in microseconds since the epoch, UTC."""


def now_us() -> int:
    """Read the host's wall clock, in microseconds since the epoch."""
    return time.time_ns() // 1000


def since_boot_us() -> int:
    """Return microseconds since the host was started, suspension included: nobody can step this clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class SteadyClock:
    """The wall clock as it was last read, carried on by the clock since boot.

    A step of the wall clock shows here only when it is followed, so that whoever keeps timers can move them
    at the same moment. Calling it is a ``Clock``.
    """

    def __init__(self) -> None:
        self.follow()

    def __call__(self) -> int:
        """Return the present in microseconds since the epoch."""
        return since_boot_us() + self._booted_us

    def behind_us(self) -> int:
        """Return how far the wall clock has gone ahead of this one; negative if it was put back."""
        return now_us() - self()

    def follow(self) -> None:
        """Show what the wall clock shows."""
        self._booted_us = now_us() - since_boot_us()


def boot_id() -> str:
    """Return the name of the host's present boot (random(4)); it changes with each restart of the host."""
    return _BOOT_ID.read_text().strip()


def instant(us: int) -> datetime:
    """Return the aware UTC instant of stored microseconds, exactly."""
    return _EPOCH + timedelta(microseconds=us)


def instant_or_none(us: int | None) -> datetime | None:
    """Return the instant, or None for what has not happened."""
    return None if us is None else instant(us)


def micros(value: datetime) -> int:
    """Return an aware instant in microseconds since the epoch, exactly."""
    return (value - _EPOCH) // timedelta(microseconds=1)
