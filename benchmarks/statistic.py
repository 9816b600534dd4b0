"""Medians, quantiles and spreads of few measurements. Values in, values out."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some measurements, and how far they reach."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median with minimum and maximum. Raises ValueError for no values."""
    return Spread(statistics.median(values), min(values), max(values))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so great a share does not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values have no quantile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Divide round by round: both values of a ratio were taken within the same minute."""
    return tuple(mine / other for mine, other in zip(ours, theirs, strict=True))
