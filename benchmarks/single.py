"""One no-op run at a time: how long until its caller knows."""

import time
from collections.abc import Iterator

import images

from benchmarks.bench import Bench
from benchmarks.burst import NETWORKS
from benchmarks.contestants import Contestant, RawEngine, Runsd
from benchmarks.daemon import daemon
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say
from benchmarks.statistic import quantile


def single(bench: Bench) -> Iterator[Figure]:
    """Measure single runs on each network; the contestants take turns run by run."""
    with daemon() as ours:
        contestants: dict[str, Contestant | None] = {
            "runsd": Runsd(ours),
            "docker": bench.docker,
            "podman": bench.podman,
            "raw": RawEngine(bench.engine, images.BUSYBOX),
        }
        there = {name: one for name, one in contestants.items() if one is not None}
        for network in NETWORKS:
            yield from _measured(bench, there, network)


def _measured(bench: Bench, contestants: dict[str, Contestant], network: str) -> Iterator[Figure]:
    say(f"single runs, network {network}")
    for contestant in contestants.values():
        _ms(contestant, network)  # the first one of each finds its files in no cache
    rounds = [
        alternate(contestants, lambda one: _ms(one, network), rounds=bench.scale.singles)
        for _ in range(bench.scale.rounds)
    ]
    p50 = {name: [quantile(taken[name], 0.5) for taken in rounds] for name in contestants}
    note = f"{bench.scale.singles} runs a round"
    for name in contestants:
        if name != "runsd":
            yield figure(f"single.{network}.{name}", p50["runsd"], p50[name], note=note)


def _ms(contestant: Contestant, network: str) -> float:
    begun = time.perf_counter()
    contestant.single(network)
    took = time.perf_counter() - begun
    contestant.settle()
    return 1000 * took
