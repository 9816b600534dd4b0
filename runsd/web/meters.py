"""What a run used over time, as few enough points for a chart and a table. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from runsd_sdk.run import Sample

T = TypeVar("T")
MOST_POINTS: Final = 600
MOST_ROWS: Final = 40


@dataclass(frozen=True, slots=True)
class Point:
    """What was used up to an instant, since the point before; ``cores`` is None where an attempt begins."""

    time: datetime
    cores: float | None
    memory_bytes: int


def points(samples: Sequence[Sample], *, most: int = MOST_POINTS) -> list[Point]:
    """Return what samples tell, attempt by attempt; of very many, each point is of several.

    Cores are then what was used between the points, and memory the highest of them: nothing is left out.
    """
    found: list[Point] = []
    every = max(1, -(-len(samples) // most))
    before: Sample | None = None
    peak = 0
    for number, sample in enumerate(samples):
        begins = before is None or sample.cpu_seconds < before.cpu_seconds or sample.time <= before.time
        peak = max(peak, sample.memory_bytes)
        if begins or (number + 1) % every == 0 or number == len(samples) - 1:
            found.append(Point(sample.time, None if begins else _cores(before, sample), peak))
            before, peak = sample, 0
    return found


def rows(given: Sequence[T], *, most: int = MOST_ROWS) -> list[T]:
    """Return as many of some points as are wanted, evenly, the last one among them."""
    every = max(1, -(-len(given) // most))
    return list(given[::-1][::every])[::-1]


def _cores(before: Sample | None, sample: Sample) -> float:
    if before is None:
        return 0.0
    took = (sample.time - before.time).total_seconds()
    return max(0.0, sample.cpu_seconds - before.cpu_seconds) / took
