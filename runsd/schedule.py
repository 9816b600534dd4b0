"""Schedules as values: which instants are due, and what becomes of one. No I/O, no clock."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from runsd_sdk.task import CatchUp, Overlap

from runsd import cron

GRACE_US: Final = 300 * 1_000_000
"""An instant is on time for so long: a restart of the daemon or the host makes none missed."""
LARGE_STEP_US: Final = 3 * 3600 * 1_000_000
"""A clock that is stepped by more was wrong before: what it showed then counts for nothing (cron(8))."""
MOST_WAITING: Final = 100


class Move(StrEnum):
    """What becomes of an instant that has come."""

    START = "start"  # a run is made
    SKIP = "skip"  # nothing
    WAIT = "wait"  # a run is made when those before it are over
    REPLACE = "replace"  # those before it are ended, and then a run is made


@dataclass(frozen=True, slots=True)
class Timing:
    """When a task is started by the clock."""

    cron: str
    timezone: str
    overlap: Overlap
    catch_up: CatchUp


def settled_us(through_us: int, present_us: int) -> int:
    """Return up to when all is decided after a look at the clock.

    That may be ahead of the clock, if it was put back: nothing comes twice.
    """
    return present_us if through_us > present_us + LARGE_STEP_US else max(through_us, present_us)


def due(timing: Timing, *, through_us: int, present_us: int, jumped_us: int | None = None) -> list[int]:
    """Return the instants after ``through_us`` that are to be decided now, oldest first.

    Those that are on time, all of them. Of those that are late none, or the last, if nothing is on time. The
    last it is in any case of those that a step of the clock has left out: ``jumped_us`` is what the clock
    showed before it. Raises CronError.
    """
    late_us = present_us - GRACE_US
    on_time = cron.between(timing.cron, timing.timezone, max(through_us, late_us), present_us)
    if on_time:
        return on_time
    since_us = through_us
    if timing.catch_up is CatchUp.NONE:
        if jumped_us is None:
            return []
        since_us = max(through_us, jumped_us - GRACE_US)
    missed = cron.last(timing.cron, timing.timezone, since_us, late_us) if since_us < late_us else None
    return [] if missed is None else [missed]


def move(overlap: Overlap, *, live: int, waiting: int) -> Move:
    """Decide on an instant when so many runs of its schedule are not over, and so many instants wait."""
    if overlap is Overlap.ALLOW or not live + waiting:
        return Move.START
    match overlap:
        case Overlap.SKIP:
            return Move.SKIP
        case Overlap.QUEUE:
            return Move.WAIT if waiting < MOST_WAITING else Move.SKIP
        case Overlap.REPLACE:
            return Move.REPLACE
        case _:
            assert_never(overlap)
