"""The fault suite at length: rounds of every kind of fault, until the time is over; ``make soak``.

    make soak ARGS="--minutes 30 --seed 7"
    make soak ARGS="--seed 7 --round 12"     repeats the twelfth round of that seed

After every round a table goes to stderr, the last one to stdout. A round with a violation keeps its
directory (the daemon's log and data) and says how to repeat it. Ends with 1 if there was any.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import images
from docker import APIClient

from tests.capabilities import CAPABILITIES
from tests.faults.engine import PrivateEngine
from tests.faults.invariants import Findings
from tests.faults.scenarios import FAULTS, play

# Half a minute, now and then, is longer than most patience in between.
_LENGTHS_S = (0.5, 2.0, 5.0, 30.0)


@dataclass(slots=True)
class Table:
    """What was done and found so far, by kind of fault."""

    injected: Counter[str] = field(default_factory=Counter)
    found: dict[str, Findings] = field(default_factory=dict)

    @property
    def violations(self) -> int:
        """How many there were in all."""
        return sum(len(found.violations) for found in self.found.values())

    def add(self, fault: str, injected: Counter[str], found: Findings) -> None:
        """Add a round."""
        self.injected += injected
        self.found.setdefault(fault, Findings()).add(found)

    def __str__(self) -> str:
        total = Findings()
        for found in self.found.values():
            total.add(found)
        rows = [
            (
                "fault",
                "injected",
                "runs checked",
                "attempts",
                "bytes of log compared",
                "gaps told",
                "violations",
            ),
            *(_row(fault, self.injected[fault], found) for fault, found in sorted(self.found.items())),
            _row("all", self.injected.total(), total),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [" | ".join(_cell(n, row, widths) for n in range(len(row))) for row in rows]
        return "\n".join([lines[0], "-|-".join("-" * width for width in widths), *lines[1:]])


def main() -> int:
    """Soak, and return the exit code."""
    options = _options()
    kinds = [fault for fault in FAULTS if not options.fault or fault in options.fault]
    possible = CAPABILITIES["private-engine"]()
    if not possible:
        left_out = [fault for fault in kinds if FAULTS[fault].private]
        kinds = [fault for fault in kinds if fault not in left_out]
        print(f"not possible here, for lack of an Engine of its own: {', '.join(left_out)}", file=sys.stderr)
    table, until = Table(), time.monotonic() + 60 * options.minutes
    with ExitStack() as stack:
        eye = stack.enter_context(images.connect())
        images.make(eye, images.BUSYBOX)
        engine = stack.enter_context(PrivateEngine()) if possible else None
        if engine is not None:
            engine.start()
            engine.load(images.BUSYBOX, eye)
        number = options.round or 1
        while True:
            _round(number, kinds, options.seed, engine, eye, table)
            number += 1
            if options.round or time.monotonic() > until:
                break
            print(f"\n{table}\n", file=sys.stderr, flush=True)
    print(table)
    return 1 if table.violations else 0


def _round(
    number: int, kinds: list[str], seed: int, engine: PrivateEngine | None, eye: APIClient, table: Table
) -> None:
    """Play one round: every kind once in as many rounds as there are kinds, in an order drawn for them."""
    cycle, place = divmod(number - 1, len(kinds))
    order = list(kinds)
    Random(f"order {seed} {cycle}").shuffle(order)
    fault, random = order[place], Random(f"round {seed} {number}")
    size, times, seconds = random.randrange(30, 120), random.randrange(3, 12), random.choice(_LENGTHS_S)
    if fault == "daemon killed":
        times *= 5
    said = f"round {number}: {fault}, {times} times of up to {seconds:g} s on {size} runs"
    print(said, file=sys.stderr, flush=True)
    directory = Path(tempfile.mkdtemp(prefix="runsd-soak-"))
    try:
        injected, found = play(
            fault, directory, engine=engine, eye=eye,
            image=images.BUSYBOX, seed=1000 * seed + number, size=size, times=times, seconds=seconds,
        )  # fmt: skip
    except Exception:
        # What a daemon leaves behind, and what it must not have logged, is told by an exception at its end.
        injected, found = Counter({fault: 0}), Findings([traceback.format_exc()])
    table.add(fault, injected, found)
    if not found.violations:
        shutil.rmtree(directory)
        return
    chosen = "".join(f" --fault '{kind}'" for kind in kinds if kinds != list(FAULTS))
    again = f'make soak ARGS="--seed {seed} --round {number}{chosen}"'
    print("\n".join(["VIOLATION", said, *found.violations]), file=sys.stderr)
    print(f"log and data are kept in {directory}; again: {again}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="harm runsd and its Engine, and look for untruth")
    parser.add_argument("--minutes", type=float, default=30, help="begin no round after this time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, help="play this round of the seed only")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="this kind only; may be repeated")
    return parser.parse_args()


def _row(fault: str, injected: int, found: Findings) -> tuple[str, ...]:
    figures = (injected, found.runs, found.attempts, found.log_bytes, found.gaps, len(found.violations))
    return (fault, *(f"{figure:,}" for figure in figures))


def _cell(n: int, row: tuple[str, ...], widths: list[int]) -> str:
    return row[n].ljust(widths[n]) if n == 0 else row[n].rjust(widths[n])


if __name__ == "__main__":
    sys.exit(main())
