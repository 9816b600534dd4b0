"""Many no-op runs at once: how many a second, and what they cost the daemon."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import images

from benchmarks.bench import Bench
from benchmarks.contestants import Command, Contestant, RawEngine, Runsd
from benchmarks.daemon import daemon
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say

NETWORKS = ("none", "bridge")


def burst(bench: Bench) -> Iterator[Figure]:
    """Measure bursts on each network, everyone at the concurrency at which it is quickest."""
    others: dict[str, Command | RawEngine | None] = {
        "docker": bench.docker,
        "podman": bench.podman,
        "raw": RawEngine(bench.engine, images.BUSYBOX),
    }
    with daemon() as ours:
        runsd = Runsd(ours)
        runsd.burst(4, "none")
        for network in NETWORKS:
            quickest = {
                name: _quickest(one, bench, network) for name, one in others.items() if one is not None
            }
            yield from _measured(bench, runsd, quickest, network)


def _quickest(contestant: Command | RawEngine, bench: Bench, network: str) -> Command | RawEngine:
    """Try a few concurrencies, and keep the one that is through first."""
    heats = [contestant.using(at_once) for at_once in bench.scale.heat_at_once]
    if len(heats) == 1:
        return heats[0]
    seconds = [_seconds(heat, bench.scale.heat_runs, network) for heat in heats]
    return heats[seconds.index(min(seconds))]


def _measured(
    bench: Bench, runsd: Runsd, others: Mapping[str, Command | RawEngine], network: str
) -> Iterator[Figure]:
    runs = bench.scale.burst_runs
    cpu = _Meter(runsd)
    say(f"bursts of {runs}, network {network}")
    contestants: dict[str, Contestant] = {"runsd": cpu, **others}
    taken = alternate(contestants, lambda one: runs / _seconds(one, runs, network), rounds=bench.scale.rounds)
    for name, other in others.items():
        note = f"{runs} runs, {other.at_once} at once"
        yield figure(f"burst.{network}.{name}", taken["runsd"], taken[name], note=note)
    yield figure(f"cpu.{network}", [1000 * cpu_s / runs for cpu_s in cpu.taken_s])


def _seconds(contestant: Contestant, runs: int, network: str) -> float:
    begun = time.perf_counter()
    contestant.burst(runs, network)
    seconds = time.perf_counter() - begun
    contestant.settle()
    return seconds


@dataclass(frozen=True, slots=True)
class _Meter:
    """runsd, and the processor time of each of its bursts, what it does behind the caller's back included."""

    runsd: Runsd
    taken_s: list[float] = field(default_factory=list)

    def single(self, network: str) -> None:
        self.runsd.single(network)

    def burst(self, runs: int, network: str) -> None:
        self.taken_s.append(-self.runsd.daemon.cpu_s())
        self.runsd.burst(runs, network)

    def settle(self) -> None:
        self.runsd.settle()
        self.taken_s[-1] += self.runsd.daemon.cpu_s()
