"""Whose turn it is when several projects wait, and what one may have at once. No I/O, no clock.

The project that holds least goes first, measured by what it holds most of (dominant resource fairness:
Ghodsi et al., NSDI 2011). Who has stood first in its project's line for too long goes before that, the
longest first: a big run of a project that holds something is not passed for ever by those that hold less.
Within a project it stays first come first served, by priority.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Final

from runsd_sdk.quantity import format_bytes, format_cpu

from runsd.admission import Resources, Waiting

PATIENCE_S: Final = 600.0
NOTHING: Final = Resources(0, 0)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What all live runs of a project may have at once; None where nothing is said."""

    runs: int | None = None
    cpu_milli: int | None = None
    memory_bytes: int | None = None

    def holds_back(self, asks: Resources, *, holds: Resources, live: int) -> str | None:
        """Say in words what forbids one more run that asks for this, beside what the project holds."""
        if self.runs is not None and live >= self.runs:
            return f"its project may have {self.runs} live runs at once, and has {live}"
        if self.cpu_milli is not None and holds.cpu_milli + asks.cpu_milli > self.cpu_milli:
            most, has, wants = map(format_cpu, (self.cpu_milli, holds.cpu_milli, asks.cpu_milli))
            return f"its project may hold {most} cores at once: it holds {has}, and this run asks for {wants}"
        if self.memory_bytes is not None and holds.memory_bytes + asks.memory_bytes > self.memory_bytes:
            most, has, wants = map(format_bytes, (self.memory_bytes, holds.memory_bytes, asks.memory_bytes))
            return f"its project may hold {most} at once: it holds {has}, and this run asks for {wants}"
        return None


@dataclass(frozen=True, slots=True)
class Line:
    """A project's waiting runs in order of claim, and what its live ones hold."""

    project: str
    waiting: Sequence[Waiting]
    holds: Resources = NOTHING
    live: int = 0
    ceiling: Ceiling = Ceiling()


def in_turn(
    lines: Sequence[Line], capacity: Resources, first_for_s: Mapping[str, float], *, most: int
) -> list[Waiting]:
    """Return the runs that may start as far as their projects go, ``most`` at the most, in order of claim.

    ``first_for_s`` says for how long the first of a line has been that.
    """
    eligible = {line.project: list(_within(line)) for line in lines}
    held = {line.project: line.holds for line in lines}
    order: list[Waiting] = []

    def take(project: str) -> None:
        run = eligible[project].pop(0)
        held[project] += run.asks
        order.append(run)

    overdue = [p for p, runs in eligible.items() if runs and first_for_s.get(p, 0.0) >= PATIENCE_S]
    for project in sorted(overdue, key=lambda project: -first_for_s[project]):
        take(project)
    turns = [_turn(project, eligible, held, capacity) for project, runs in eligible.items() if runs]
    heapify(turns)
    while turns and len(order) < most:
        _, _, project = heappop(turns)
        take(project)
        if eligible[project]:
            heappush(turns, _turn(project, eligible, held, capacity))
    return order[:most]


class Heads:
    """Since when others are before the first of each line. Instants are seconds of a clock that goes forward.

    What its own project's ceiling holds back, no other project does.
    """

    def __init__(self) -> None:
        self._since: dict[str, tuple[str, float]] = {}

    def first_for_s(self, lines: Sequence[Line], now_s: float) -> dict[str, float]:
        """Look at the lines as they are now, and say for how long each has had its first."""
        firsts = {line.project: run.id for line in lines for run in islice(_within(line), 1)}
        self._since = {
            project: known if (known := self._since.get(project, ("", now_s)))[0] == id else (id, now_s)
            for project, id in firsts.items()
        }
        return {project: now_s - since for project, (_, since) in self._since.items()}


def _within(line: Line) -> Iterator[Waiting]:
    """Yield the runs that the ceiling has room for, up to the first for which it has none.

    One that asks for more than the whole ceiling (it was lowered since) stands in nobody's way.
    """
    holds, live = line.holds, line.live
    for run in line.waiting:
        if line.ceiling.holds_back(run.asks, holds=NOTHING, live=0):
            continue
        if line.ceiling.holds_back(run.asks, holds=holds, live=live):
            return
        holds, live = holds + run.asks, live + 1
        yield run


def _turn(
    project: str,
    eligible: Mapping[str, Sequence[Waiting]],
    held: Mapping[str, Resources],
    capacity: Resources,
) -> tuple[float, str, str]:
    """Return what sorts a project's next run: what it holds, then who came first, as ids tell."""
    return _share(held[project], capacity), eligible[project][0].id, project


def _share(holds: Resources, capacity: Resources) -> float:
    pairs = (
        (holds.cpu_milli, capacity.cpu_milli),
        (holds.memory_bytes, capacity.memory_bytes),
        (holds.gpus, capacity.gpus),
    )
    return max((part / whole for part, whole in pairs if whole > 0), default=0.0)
