"""When the calls of an attempt are counted for its course over time: often at first, then seldom. Pure."""

from dataclasses import dataclass

from runsd.telemetry.sums import Totals

FIRST_US = 1_000_000
LONGEST_US = 10_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What an attempt had told of by an instant (microseconds since the epoch)."""

    at_us: int
    totals: Totals


@dataclass(slots=True)
class Counting:
    """The course of one attempt: what was counted last, and when it is counted next."""

    last: Totals | None = None
    due_us: int = 0
    every_us: int = FIRST_US

    def count(self, totals: Totals | None, at_us: int) -> Counted | None:
        """Return what is to be kept of these totals now; None where they are as they were."""
        if totals is None or totals == self.last:
            return None
        self.last = totals
        self.due_us, self.every_us = at_us + self.every_us, min(LONGEST_US, 2 * self.every_us)
        return Counted(at_us, totals)
