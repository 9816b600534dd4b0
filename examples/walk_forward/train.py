"""Train and test one fold: will the coastal Pacific be warmer than usual three months from now?

Runs inside a container with nothing but Python. Fold k learns from every month before its test window and is
judged on the four years of that window. Progress goes to stderr; stdout is one line of JSON.
"""

import argparse
import csv
import fcntl
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
DATA = HERE / "data" / "nino12.csv"
FOLDS, WINDOW_MONTHS = 9, 48
LAGS, AHEAD = 6, 3
EPOCHS, RATE, RIDGES = 450, 0.5, (0.003, 0.03, 0.3)


class Row(NamedTuple):
    """What was known in month ``at``, and what came three months later. The same for every fold."""

    at: int
    calendar: int
    lags: list[float]
    later: float


class Example(NamedTuple):
    """A row as one fold sees it: features, whether it turned out warm, and what persistence would say."""

    features: list[float]
    warm: bool
    persists: bool


def main() -> None:
    """Train the fold that was asked for and print its accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fold", type=int, default=int(os.environ.get("FOLD_ID", "0")))
    parser.add_argument("--cache", type=Path, default=Path("/cache"), help="folder shared by all folds")
    asked = parser.parse_args()
    if not 0 <= asked.fold < FOLDS:
        parser.error(f"there is no fold {asked.fold}; folds are 0 to {FOLDS - 1}")
    print(json.dumps(run_fold(asked.fold, feature_table(asked.cache))))


def run_fold(fold: int, table: Sequence[Row]) -> dict[str, float]:
    """Train on what was known when the fold's window began; test on the window."""
    past, window = split(table, fold)
    usual = climatology(past)
    train, test = [[as_example(row, usual) for row in rows] for rows in (past, window)]
    ridge = choose_ridge(train)
    weights = fit(train, ridge)
    return {
        "fold": fold,
        "accuracy": round(share(warm(weights, e.features) == e.warm for e in test), 4),
        "baseline": round(share(e.persists == e.warm for e in test), 4),
        "n_train": len(train),
        "n_test": len(test),
        "ridge": ridge,
    }


def split(table: Sequence[Row], fold: int) -> tuple[list[Row], list[Row]]:
    """Part the rows whose outcome was known before the window from those that fall in it altogether."""
    end = table[-1].at + AHEAD + 1 - (FOLDS - fold - 1) * WINDOW_MONTHS
    begin = end - WINDOW_MONTHS
    past = [row for row in table if row.at + AHEAD < begin]
    window = [row for row in table if begin <= row.at and row.at + AHEAD < end]
    return past, window


def climatology(past: Sequence[Row]) -> list[float]:
    """Return what is usual for each calendar month, by the months known before the window."""
    by_month: list[list[float]] = [[] for _ in range(12)]
    for row in past:
        by_month[(row.calendar + AHEAD) % 12].append(row.later)
    return [sum(values) / len(values) for values in by_month]


def as_example(row: Row, usual: Sequence[float]) -> Example:
    """See a row as departures from the usual, with the season and how the season bends them."""
    departures = [celsius - usual[(row.calendar - lag) % 12] for lag, celsius in enumerate(row.lags)]
    turn = 2 * math.pi * row.calendar / 12
    season = [math.sin(turn), math.cos(turn), math.sin(2 * turn), math.cos(2 * turn)]
    bent = [d * s for d in (departures[0], departures[0] - departures[3]) for s in season]
    warmed = row.later > usual[(row.calendar + AHEAD) % 12]
    return Example([1.0, *departures, *season, *bent], warmed, departures[0] > 0)


def choose_ridge(train: Sequence[Example]) -> float:
    """Choose how hard to rein in the weights, by the last four years before the window alone."""
    earlier, last = train[: -WINDOW_MONTHS - AHEAD], train[-WINDOW_MONTHS:]
    losses = {ridge: mean_loss(fit(earlier, ridge), last) for ridge in RIDGES}
    return min(losses, key=losses.__getitem__)


def fit(train: Sequence[Example], ridge: float) -> list[float]:
    """Fit a logistic regression by gradient descent; tell how it goes."""
    weights = [0.0 for _ in train[0].features]
    for epoch in range(1, EPOCHS + 1):
        slope = [ridge * weight for weight in weights]
        for example in train:
            miss = (probability(weights, example.features) - example.warm) / len(train)
            for index, value in enumerate(example.features):
                slope[index] += miss * value
        weights = [weight - RATE * down for weight, down in zip(weights, slope, strict=True)]
        if epoch % (EPOCHS // 3) == 0:
            loss = mean_loss(weights, train)
            print(f"ridge {ridge} epoch {epoch}/{EPOCHS} loss {loss:.4f}", file=sys.stderr, flush=True)
    return weights


def mean_loss(weights: Sequence[float], examples: Sequence[Example]) -> float:
    """Return the mean log loss of the model's chances."""
    right = (p if e.warm else 1 - p for e in examples for p in [probability(weights, e.features)])
    return -sum(math.log(max(chance, 1e-12)) for chance in right) / len(examples)


def probability(weights: Sequence[float], features: Sequence[float]) -> float:
    """Return the chance of a warm month."""
    score = sum(weight * value for weight, value in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))


def warm(weights: Sequence[float], features: Sequence[float]) -> bool:
    """Say whether the model expects a warm month."""
    return probability(weights, features) > 0.5


def share(hits: Iterator[bool]) -> float:
    """Return how many of these are true, as a fraction."""
    counted = list(hits)
    return sum(counted) / len(counted)


def feature_table(cache: Path) -> list[Row]:
    """Read the table from the shared cache; whoever comes first makes it, the others wait.

    Its name holds the hash of the data and of this program, so a stale table is never read.
    """
    cache.mkdir(exist_ok=True)
    content = hashlib.sha256(DATA.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    path = cache / f"features-{content}.json"
    with only_one(path.with_suffix(".lock")):
        if not path.exists():
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(list(make_table())))
            unfinished.replace(path)
            print(f"made {path}", file=sys.stderr, flush=True)
    return [Row(*row) for row in json.loads(path.read_text())]


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel gives back if its owner dies."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_table() -> Iterator[Row]:
    """Compute each month's row from the series, using nothing later than the month but its outcome."""
    with DATA.open(newline="") as file:
        series = [(int(line["month"]) - 1, float(line["celsius"])) for line in csv.DictReader(file)]
    for at in range(LAGS - 1, len(series) - AHEAD):
        lags = [series[at - lag][1] for lag in range(LAGS)]
        yield Row(at, series[at][0], lags, series[at + AHEAD][1])


if __name__ == "__main__":
    main()
