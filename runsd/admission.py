"""Who may start now: first come first served, and nobody is delayed by who comes later.

Every waiting run's longest duration is known (timeout and grace), so the future can be laid out: each run, in
order, is given the earliest time at which it fits for its whole length beside what runs and what was placed
before it. Whoever's time is now, starts. A small run thus passes a big one exactly when the big one's place
does not move (known as conservative backfilling). No I/O, no clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


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
    """An admitted run: what it holds and in how many seconds at the latest it is over."""

    holds: Resources
    ends_in_s: float


def held(holding: Iterable[Holding]) -> Resources:
    """Add up what live runs hold."""
    return sum((run.holds for run in holding), Resources(0, 0))


def choose(
    waiting: Sequence[Waiting],
    holding: Iterable[Holding],
    capacity: Resources,
    *,
    most: int | None = None,
) -> list[str]:
    """Return the ids that may start now, in order, ``most`` at the most.

    ``waiting`` is in order of claim: by priority, then by age. One that is larger than the whole capacity (it
    shrank after the submit) waits without standing in anybody's way.
    """
    future = _Future(capacity, holding)
    admitted = []
    for run in waiting:
        if not capacity.covers(run.asks):
            continue
        start = future.earliest(run.asks, run.longest_s)
        future.place(run.asks, start, run.longest_s)
        if start == 0:
            admitted.append(run.id)
        if len(admitted) == most:
            break
    return admitted


class _Future:
    """Free resources as a staircase over time: ``free[i]`` holds from ``times[i]`` to ``times[i + 1]``."""

    def __init__(self, capacity: Resources, holding: Iterable[Holding]) -> None:
        self.times = [0.0]
        self.free = [capacity]
        for held in holding:
            self.place(held.holds, 0.0, max(held.ends_in_s, 1.0))

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
        at = next((i for i, t in enumerate(self.times) if t >= time), len(self.times))
        if at == len(self.times) or self.times[at] != time:
            self.times.insert(at, time)
            self.free.insert(at, self.free[at - 1])
        return at
