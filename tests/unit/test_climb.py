"""The number at once is found on simulated Engines: whatever the curve, the noise, and the start."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.climb import Climb

MOST = 16
BEGINS = (1, 4, 16)
NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16)

Curve = Callable[[int], float]
"""How many starts per second there are with so many at once."""


def scales(first: float, contention: float, crosstalk: float) -> Curve:
    """Return Gunther's universal law of scalability."""
    return lambda n: first * n / (1 + contention * (n - 1) + crosstalk * n * (n - 1))


PEAK_4 = scales(3.2, 0.20, 0.035)
PEAK_16 = scales(3.0, 0.02, 0.0035)
CURVES: dict[str, Curve] = {
    "peak at 4": PEAK_4,
    "peak at 16": PEAK_16,
    "saturated from 4": lambda n: 7.0 * min(n, 4) / 4,
    "flat": lambda n: 7.0,
    "straight up": lambda n: 2.0 * n,
    "straight down": lambda n: 7.0 / n,
}


@dataclass
class Engine:
    """An Engine that shares its speed among the starts under way, with work of uneven size; always a backlog.

    ``slowness`` of it may be changed while it runs, and ``curve`` too. With ``waves``, so many short starts
    and so many of twice the work take turns.
    """

    curve: Curve
    climb: Climb
    noise: float = 0.3
    slowness: float = 1.0
    exceptions: float = 0.0
    waves: int = 0
    seed: int = 1
    now_s: float = 0.0
    limits: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._number = count()
        # Work left, beginning, in which time of fullness, kind.
        self._left: list[tuple[float, float, int, str]] = []
        self._full = 0
        self._fill()

    def run(self, starts: int) -> float:
        """Make so many starts; return how many there were per second."""
        began_s = self.now_s
        for _ in range(starts):
            self._end_one()
        return starts / (self.now_s - began_s)

    def _end_one(self) -> None:
        speed = self.curve(len(self._left)) / len(self._left) / self.slowness
        first = min(self._left)
        self.now_s += first[0] / speed
        self._left.remove(first)
        self._left = [(work - first[0], *others) for work, *others in self._left]
        before = self.climb.limit
        if first[2] == self._full:
            self.climb.took(self.now_s - first[1], first[3])
        self.limits.append(self.climb.limit)
        if len(self._left) + 1 != before or self.climb.limit != before:
            self._full += 1
        self._fill()

    def _fill(self) -> None:
        while len(self._left) < self.climb.limit:
            last = len(self._left) + 1 == self.climb.limit
            long = self.waves > 0 and next(self._number) // self.waves % 2 == 1
            work, kind = self._work() * (2 if long else 1), "long" if long else "short"
            self._left.append((work, self.now_s, self._full if last else -1, kind))

    def _work(self) -> float:
        shape = self.noise**-2
        work = self._random.gammavariate(shape, 1 / shape)
        return work * (20 if self._random.random() < self.exceptions else 1)


def engine(curve: Curve, *, begin: int = 4, **how: float) -> Engine:
    return Engine(curve, Climb(MOST, begin=begin), **how)  # type: ignore[arg-type]


def best(curve: Curve) -> float:
    return max(map(curve, NUMBERS))


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("begin", BEGINS)
@pytest.mark.parametrize("name", CURVES)
def test_it_comes_near_the_peak_and_stays(name: str, begin: int, noise: float) -> None:
    curve = CURVES[name]
    shares = []
    for seed in range(5):
        made = engine(curve, begin=begin, noise=noise, seed=seed)
        made.run(300)
        shares.append(made.run(1000) / best(curve))
    assert sorted(shares)[2] > 0.9


def test_a_burst_of_a_hundred_loses_little_where_it_begins_well() -> None:
    shares = sorted(engine(PEAK_4, seed=seed).run(100) / best(PEAK_4) for seed in range(15))
    assert shares[7] > 0.93


@pytest.mark.parametrize("begin", BEGINS)
def test_of_equals_the_smaller_is_taken(begin: int) -> None:
    made = engine(CURVES["flat"], begin=begin, noise=0.1)
    made.run(800)
    assert max(made.limits[-100:]) <= 2


def test_a_few_dozen_starts_show_the_way() -> None:
    up, down = engine(CURVES["straight up"], noise=0.2), engine(CURVES["straight down"], begin=16, noise=0.2)
    up.run(60)
    down.run(150)
    assert up.limits[-1] >= 8
    assert down.limits[-1] <= 2


@pytest.mark.parametrize(("before", "after"), [(PEAK_4, PEAK_16), (PEAK_16, PEAK_4)], ids=["up", "down"])
def test_it_follows_a_peak_that_moves(before: Curve, after: Curve) -> None:
    shares = []
    for seed in range(5):
        made = engine(before, seed=seed)
        made.run(700)
        made.curve = after
        made.run(400)
        shares.append(made.run(600) / best(after))
    assert sorted(shares)[2] > 0.85


def test_what_slows_down_everybody_moves_nobody_far() -> None:
    shares = []
    for seed in range(5):
        made = engine(PEAK_4, seed=seed)
        made.run(150)
        made.slowness = 4.0
        shares.append(made.run(600) * 4.0 / best(PEAK_4))
    assert sorted(shares)[2] > 0.9


def test_single_exceptions_do_not_mislead() -> None:
    shares = []
    for seed in range(5):
        made = engine(PEAK_4, exceptions=0.01, seed=seed)
        shares.append(made.run(1000) * (1 + 0.01 * 19) / best(PEAK_4))
    assert sorted(shares)[2] > 0.88


@pytest.mark.parametrize("waves", [10, 30, 100])
def test_work_of_two_kinds_does_not_mislead(waves: int) -> None:
    shares = []
    for seed in range(5):
        made = engine(PEAK_4, waves=waves, seed=seed)
        made.run(200)
        shares.append(made.run(10 * waves * 2) * 1.5 / best(PEAK_4))
    assert sorted(shares)[2] > 0.93


@given(
    most=st.integers(1, 100),
    begin=st.integers(0, 200),
    took_s=st.lists(st.floats(0, 300), max_size=400),
)
def test_it_stays_between_one_and_the_bound(most: int, begin: int, took_s: list[float]) -> None:
    climb = Climb(most, begin=begin)
    assert climb.limit <= max(1, begin)
    for seconds in took_s:
        assert 1 <= climb.limit <= most
        climb.took(seconds)


def test_every_number_up_to_the_bound_is_near_a_choice() -> None:
    climb = Climb(40, begin=1)
    seen = [climb.limit]
    while seen[-1] < 40:
        climb.took(1.0)  # as quick with more at once: it always pays
        if climb.limit != seen[-1]:
            seen.append(climb.limit)
    assert seen == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40]
