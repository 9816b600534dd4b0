"""A figure: what was measured round by round, for runsd and for whom it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.statistic import Spread, ratios, spread


class Compared(StrEnum):
    """What the goal speaks of: runsd divided by the other, or runsd's own value."""

    RATIO = "ratio"
    ITSELF = "itself"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a median should reach, or not exceed."""

    value: float
    at_least: bool

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"

    def met_by(self, value: float) -> bool:
        """Say whether a value is on the right side."""
        return value >= self.value if self.at_least else value <= self.value


def at_least(value: float) -> Bound:
    """Make the goal of a figure of which more is better."""
    return Bound(value, at_least=True)


def at_most(value: float) -> Bound:
    """Make the goal of a figure of which less is better."""
    return Bound(value, at_least=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a figure is about. Without a bound it is there to be known."""

    title: str
    unit: str
    bound: Bound | None = None
    versus: str | None = None

    @property
    def compared(self) -> Compared:
        """What is held against the bound: a ratio wherever there is somebody to compare with."""
        return Compared.ITSELF if self.versus is None else Compared.RATIO


@dataclass(frozen=True, slots=True)
class Figure:
    """One subject's measurements, one for each round. ``note`` says under which conditions, in few words."""

    key: str
    subject: Subject
    runsd: Sequence[float]
    other: Sequence[float] = ()
    note: str = ""

    @property
    def values(self) -> Sequence[float]:
        """What is held against the bound, round by round."""
        return ratios(self.runsd, self.other) if self.subject.compared is Compared.RATIO else self.runsd

    @property
    def spread(self) -> Spread:
        """The middle of it, and how far it reaches."""
        return spread(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        bound = self.subject.bound
        return None if bound is None else bound.met_by(self.spread.median)
