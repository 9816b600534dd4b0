"""Amounts: what a metric has come to, and how two of one series are put together. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runsd.telemetry.facts import Kind, Number, Point


@dataclass(frozen=True, slots=True)
class Amount:
    """``value`` of a gauge or a sum; ``count``, ``sum``, ``low`` and ``high`` of a histogram."""

    value: Number = 0
    count: int = 0
    sum: Number = 0
    low: Number | None = None
    high: Number | None = None

    def __add__(self, other: "Amount") -> "Amount":
        """Return what both come to together."""
        return Amount(
            self.value + other.value,
            self.count + other.count,
            self.sum + other.sum,
            _extreme(min, self.low, other.low),
            _extreme(max, self.high, other.high),
        )

    def size(self, kind: Kind) -> Number:
        """Return what only grows in a series that only grows."""
        return self.count if kind is Kind.HISTOGRAM else self.value


NOTHING = Amount()


def amount(point: Point) -> Amount:
    """Return what a point tells."""
    return Amount(point.value, point.count, point.sum, point.low, point.high)


def _extreme(
    choose: Callable[[Iterable[Number]], Number], one: Number | None, other: Number | None
) -> Number | None:
    numbers = [number for number in (one, other) if number is not None]
    return choose(numbers) if numbers else None
