"""Who may start now: first come first served, and nobody is delayed by who comes later.

Every waiting run's longest duration is known (timeout and grace), so the future can be laid out: each run, in
order, is given the earliest time at which it fits for its whole length beside what runs and what was placed
before it. Whoever's time is now, starts. A small run thus passes a big one exactly when the big one's place
does not move (known as conservative backfilling). No I/O, no clock.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Resources:
    """Millicores, bytes and devices: of a host or of a run."""

    cpu_milli: int
    memory_bytes: int
    gpus: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.cpu_milli + other.cpu_milli,
            self.memory_bytes + other.memory_bytes,
            self.gpus + other.gpus,
        )

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(
            self.cpu_milli - other.cpu_milli,
            self.memory_bytes - other.memory_bytes,
            self.gpus - other.gpus,
        )

    def covers(self, other: "Resources") -> bool:
        """Whether the other fits in."""
        return (
            other.cpu_milli <= self.cpu_milli
            and other.memory_bytes <= self.memory_bytes
            and other.gpus <= self.gpus
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run: what it asks for and how long it may last, in seconds."""

    id: str
    asks: Resources
    longest_s: float


@dataclass(frozen=True, slots=True)
class Holding:
    """An admitted run: what it holds, in how many seconds at the latest it is over, and whose it is."""

    holds: Resources
    ends_in_s: float
    project: str = ""


def held(holding: Iterable[Holding]) -> Resources:
    """Add up what live runs hold."""
    return sum((run.holds for run in holding), Resources(0, 0))


def choose(
    waiting: Sequence[Waiting],
    holding: Sequence[Holding],
    capacity: Resources,
    *,
    most: int | None = None,
) -> list[str]:
    """Return the ids that may start now, in order, ``most`` at the most.

    ``waiting`` is in order of claim: by priority, then by age. One that is larger than the whole capacity (it
    shrank after the submit) waits without standing in anybody's way.
    """
    free = capacity - held(holding)
    if not any(free.covers(run.asks) for run in waiting):
        return []  # as it mostly is on a busy host: there is no need to look ahead
    waiting = [run for run in waiting if capacity.covers(run.asks)]
    future = _Future(capacity, holding)
    admitted = []
    for run, least in zip(waiting, _least_from(waiting), strict=True):
        if not future.free[0].covers(least):
            break  # neither it nor anybody behind it
        start = future.earliest(run.asks, run.longest_s)
        future.place(run.asks, start, run.longest_s)
        if start == 0:
            admitted.append(run.id)
        if len(admitted) == most:
            break
    return admitted


def _least_from(waiting: Sequence[Waiting]) -> list[Resources]:
    """Return, for each run, what it and all behind it ask for at least."""
    asks = [(run.asks.cpu_milli, run.asks.memory_bytes, run.asks.gpus) for run in reversed(waiting)]
    columns = (accumulate(column, min) for column in zip(*asks, strict=True))
    return [Resources(*least) for least in zip(*columns, strict=True)][::-1]


class _Future:
    """Free resources as a staircase over time: ``free[i]`` holds from ``times[i]`` to ``times[i + 1]``."""

    def __init__(self, capacity: Resources, holding: Sequence[Holding]) -> None:
        self.times = [0.0]
        self.free = [capacity - held(holding)]
        for run in sorted(holding, key=lambda run: run.ends_in_s):
            if (ends := max(run.ends_in_s, 1.0)) != self.times[-1]:
                self.times.append(ends)
                self.free.append(self.free[-1])
            self.free[-1] += run.holds

    def earliest(self, asks: Resources, longest_s: float) -> float:
        """Return the first step from which there is room for the whole length."""
        start: float | None = None
        for i, free in enumerate(self.free):
            if start is not None and self.times[i] >= start + longest_s:
                break
            if not free.covers(asks):
                start = None
            elif start is None:
                start = self.times[i]
        # The last step lasts for ever and, everything being over, has the whole capacity.
        return self.times[-1] if start is None else start

    def place(self, asks: Resources, start: float, longest_s: float) -> None:
        first, last = self._step(start), self._step(start + longest_s)
        for i in range(first, last):
            self.free[i] -= asks

    def _step(self, time: float) -> int:
        """Return the index of the step that begins at this time, cutting one in two if need be."""
        at = bisect_left(self.times, time)
        if at == len(self.times) or self.times[at] != time:
            self.times.insert(at, time)
            self.free.insert(at, self.free[at - 1])
        return at
