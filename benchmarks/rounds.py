"""Contestants take turns, so that what the machine does besides meets all of them alike."""

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

C = TypeVar("C")
V = TypeVar("V")


def alternate(
    contestants: Mapping[str, C], measure: Callable[[C], V], *, rounds: int
) -> dict[str, tuple[V, ...]]:
    """Measure everyone once in each round, and return by name what was measured, round by round.

    Each round begins with another contestant, and every other one goes on backwards: nobody always comes
    behind the same neighbour.
    """
    names = list(contestants)
    measured: dict[str, list[V]] = {name: [] for name in names}
    for number in range(rounds):
        first, *others = rotated(names, number)
        for name in (first, *(reversed(others) if number % 2 else others)):
            measured[name].append(measure(contestants[name]))
    return {name: tuple(values) for name, values in measured.items()}


def rotated(names: list[str], by: int) -> list[str]:
    """Return the names in the same circle, begun so many places later."""
    start = by % len(names) if names else 0
    return names[start:] + names[:start]


def say(line: str) -> None:
    """Tell whoever waits what is going on."""
    print(f"  {line}", file=sys.stderr, flush=True)
