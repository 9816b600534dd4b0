"""How many at once: climbs to the number that gets the most done, by trying its neighbours.

What is wanted is the highest throughput, so throughput is what is compared. By Little's law, ``n`` at once
that take ``d`` seconds each on average are ``n / d`` done per second; so durations alone tell it, without the
rounding of a count over a short time. Now and then a neighbouring number is tried, and compared with what was
measured just before: whatever slows down everybody (a busy host, a cold disk) slows down both, and nobody
runs away from it. Like is compared with like, each kind of work with itself: a container that needs a network
of its own may take twice as long as one that does not.

The comparison is sequential: it ends as soon as the difference stands out from the scatter of both, at the
latest after some thirty. The number goes up only for a clear gain, and down for as good as none lost: of
equals the smaller, for it keeps each start short and the Engine out of trouble. Where both neighbours were
tried in vain, the next try comes later, each time twice as late up to a bound, so that trying costs next to
nothing.

Why not one of the well-known others: AIMD needs a loss that says "too much", and an Engine has none before it
wedges. TCP Vegas and the gradient limiters built on it stay near the best latency ever seen; that differs by
what is started (network, volumes), and how much more of it buys throughput is just what is not known.
Microsoft's thread pool climbs the same hill by a wave laid on its number (Hellerstein et al. 2009), which
takes thousands of completions; a burst here has hundreds.
"""

from dataclasses import dataclass
from math import inf, sqrt
from typing import Final

# What counts as a gain worth more at once, and as nothing lost with fewer.
_WORTH_MORE: Final = 1.04
_NOTHING_LOST: Final = 0.98
# One side of a normal distribution holds 95 % below so many standard errors.
_SURE: Final = 1.64
_FEWEST: Final = 8
_ENOUGH: Final = 32
_LONGEST_REST: Final = 128
# One that took so many times the average is the exception that says nothing about the number at once.
_EXCEPTION: Final = 4.0


class Climb:
    """A number between 1 and ``most``. ``begin`` is where it starts, before anything is known."""

    def __init__(self, most: int, *, begin: int) -> None:
        self._rungs = _rungs(max(1, most))
        self._at = max(i for i, rung in enumerate(self._rungs) if rung <= max(1, begin))
        self._here = _Measured(self._rungs[self._at])
        self._tried: _Measured | None = None
        self._up = True
        self._in_vain = 0
        self._rest = 0
        self._next_rest = _ENOUGH

    @property
    def limit(self) -> int:
        """How many are to be under way at once."""
        return (self._tried or self._here).limit

    def took(self, seconds: float, kind: str = "") -> None:
        """Learn how long one took, with exactly ``limit`` under way from its beginning to its end."""
        if self._tried is None:
            self._here.add(seconds, kind)
            if self._here.count >= max(_FEWEST, self._here.limit) + self._rest:
                self._try_neighbour()
        else:
            self._tried.add(seconds, kind)
            self._compare(self._tried)

    def _try_neighbour(self) -> None:
        neighbour = self._at + (1 if self._up else -1)
        if 0 <= neighbour < len(self._rungs):
            self._tried = _Measured(self._rungs[neighbour])
        else:
            self._stay()

    def _compare(self, tried: "_Measured") -> None:
        if tried.count < max(_FEWEST, tried.limit):
            return
        gain, error = tried.against(self._here)
        scatter = _SURE * error
        wanted = _WORTH_MORE if self._up else _NOTHING_LOST
        last = tried.count >= max(_ENOUGH, 2 * tried.limit)
        if gain - scatter > wanted or (last and gain > wanted):
            self._move(tried)
        elif gain + scatter < wanted or last:
            self._tried, self._here = None, _Measured(self._here.limit)
            self._stay()

    def _move(self, tried: "_Measured") -> None:
        """Take the neighbour's number, and go on in this direction at once; where it came from was tried."""
        self._at += 1 if self._up else -1
        self._here, self._tried = tried, None
        self._in_vain, self._rest, self._next_rest = 1, 0, _ENOUGH
        self._try_neighbour()

    def _stay(self) -> None:
        self._up = not self._up
        self._in_vain, self._rest = self._in_vain + 1, 0
        if self._in_vain >= 2:
            self._in_vain, self._rest = 0, self._next_rest
            self._next_rest = min(_LONGEST_REST, 2 * self._next_rest)


class _Measured:
    """What was measured at one number."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self._kinds: dict[str, _Durations] = {}

    def add(self, seconds: float, kind: str) -> None:
        self.count += 1
        self._kinds.setdefault(kind, _Durations()).add(max(seconds, 1e-6))

    def against(self, other: "_Measured") -> tuple[float, float]:
        """Return how many times the other's throughput this is, and the standard error of that.

        It is the mean over the kinds that both know, by how well each is known. Without any it is unknown:
        nothing gained, with an error without end.
        """
        sum_of_weights = weighted = variance = 0.0
        for kind, mine in self._kinds.items():
            theirs = other._kinds.get(kind)
            if theirs is None or mine.count < 2 or theirs.count < 2:
                continue
            gain = self.limit / other.limit * theirs.mean_s / mine.mean_s
            weight = 1 / (1 / mine.count + 1 / theirs.count)
            sum_of_weights += weight
            weighted += weight * gain
            variance += (weight * gain) ** 2 * (mine.variance + theirs.variance)
        if sum_of_weights == 0:
            return 1.0, inf
        return weighted / sum_of_weights, sqrt(variance) / sum_of_weights


@dataclass(slots=True)
class _Durations:
    """How many there were, their mean, and the sum of their squared deviations from it (Welford's way)."""

    count: int = 0
    mean_s: float = 0.0
    deviations: float = 0.0

    @property
    def variance(self) -> float:
        """The variance of the mean, as a share of its square."""
        return self.deviations / (self.count * (self.count - 1) * self.mean_s**2)

    def add(self, seconds: float) -> None:
        if self.count >= _FEWEST // 2:
            seconds = min(seconds, _EXCEPTION * self.mean_s)
        self.count += 1
        apart = seconds - self.mean_s
        self.mean_s += apart / self.count
        self.deviations += apart * (seconds - self.mean_s)


def _rungs(most: int) -> list[int]:
    """Return the numbers to choose from: 1, 2, 3, 4, 6, 8, 12, 16, ... and the greatest."""
    rungs = [1]
    while rungs[-1] < most:
        last = rungs[-1]
        power = last & (last - 1) == 0
        rungs.append(min(most, max(last + 1, last * 3 // 2 if power else last * 4 // 3)))
    return rungs
