"""``make bench``: measure runsd beside the raw Engine and what people use instead.

    make bench ARGS="--only single,exits"     some groups of figures
    make bench ARGS="--rounds 5"

The table goes to stdout, what is going on to stderr, everything to benchmarks/results/.
"""

import argparse
import dataclasses
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import images

from benchmarks import report
from benchmarks.bench import Bench, Group
from benchmarks.burst import burst
from benchmarks.capture import capture
from benchmarks.contestants import docker_run
from benchmarks.exits import exits
from benchmarks.figure import Figure
from benchmarks.follow import follow
from benchmarks.footprint import footprint
from benchmarks.growth import CURVES
from benchmarks.podman import podman_run
from benchmarks.programs import programs
from benchmarks.queued import queued
from benchmarks.rounds import say
from benchmarks.scale import SCALES
from benchmarks.single import single
from benchmarks.submits import submits

GROUPS: Mapping[str, Group] = {
    "single": single,
    "burst": burst,
    "programs": programs,
    "exits": exits,
    "submits": submits,
    "capture": capture,
    "follow": follow,
    "footprint": footprint,
    "queued": queued,
}
NEEDS_PODMAN = {"single", "burst"}


def main() -> int:
    """Measure, and return the exit code: 1 when something could not be measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that daemons are ended and swept
    options = _options()
    begun, facts = time.monotonic(), report.machine()
    if options.growth:
        curves = [CURVES[name]() for name in options.only or CURVES]
        for curve in curves:
            rows = [
                (name, *(report.number(value) for value in values)) for name, values in curve.values.items()
            ]
            print(report.table(rows, (curve.of, *(f"{count:,}" for count in curve.at))), "\n")
        path = report.save("growth", report.growth_document(facts, curves), folder=options.results)
        failed = False
    else:
        figures, failed = _measured(options)
        print(report.table(report.rows(figures)))
        path = report.save(
            options.scale, report.document(options.scale, facts, figures), folder=options.results
        )
    print(f"{time.monotonic() - begun:.0f} s; everything is in {path}", file=sys.stderr)
    return 1 if failed else 0


def _measured(options: argparse.Namespace) -> tuple[list[Figure], bool]:
    """Measure group by group; one that fails says so, and keeps nothing from the next."""
    scale = SCALES[options.scale]
    scale = dataclasses.replace(scale, rounds=options.rounds or scale.rounds)
    names = options.only or list(GROUPS)
    podman = podman_run() if NEEDS_PODMAN & set(names) and not options.without_podman else None
    figures: list[Figure] = []
    failed = False
    with images.connect(timeout_s=600) as engine:
        bench = Bench(scale, engine, docker_run(), podman)
        for name in names:
            begun = time.monotonic()
            try:
                figures += GROUPS[name](bench)
            except Exception as failure:
                failed = True
                print(f"cannot measure {name}: {failure!r}", file=sys.stderr)
            say(f"{name} took {time.monotonic() - begun:.0f} s")
    return figures, failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="measure runsd beside what people use instead")
    parser.add_argument("--scale", choices=SCALES, default="full", help="how much is measured")
    parser.add_argument("--growth", action="store_true", help="measure what more of everything costs instead")
    parser.add_argument("--only", type=lambda text: text.split(","), help="some groups, with commas between")
    parser.add_argument("--rounds", type=int, help="how often the contestants take turns")
    parser.add_argument("--without-podman", action="store_true", help="install and measure no Podman")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the values are written")
    options = parser.parse_args()
    known = CURVES if options.growth else GROUPS
    if unknown := [name for name in options.only or () if name not in known]:
        parser.error(f"there is no {unknown[0]}; there are {', '.join(known)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
