"""How many runs a second are accepted durably, one by one and in batches, in quiet and beside a flood."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.bench import Bench
from benchmarks.daemon import Daemon, daemon, no_op
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import say
from benchmarks.statistic import quantile
from benchmarks.wire import Wire, encoded, encoded_batch

CLIENTS = 8
BATCH = 1000
# All that this daemon has is held by one run: what is submitted waits, and costs the Engine nothing.
FULL_UP = {"RUNSD_CAPACITY__CPU": "1", "RUNSD_CAPACITY__MEMORY": "1Ti"}
FLOOD = ("sh", "-c", f"yes {'x' * 80}")
FLOODED_S = 1.0  # until the water is up to its level


def submits(bench: Bench) -> Iterator[Figure]:
    """Measure a fresh daemon in each round, one that is quiet and one with a flood of output."""
    measured: dict[str, list[float]] = {}
    for number in range(bench.scale.rounds):
        for kind, command in {"": ("sleep", "3600"), "flood.": FLOOD}.items():
            say(f"submits, round {number + 1}{', while a log flood runs' if kind else ''}")
            with _occupied(command) as ours:
                for name, value in _rates(ours, bench).items():
                    measured.setdefault(f"submit.{kind}{name}", []).append(value)
    note = f"{bench.scale.submits} submits, {bench.scale.batches} batches a round"
    for key, values in measured.items():
        yield figure(key, values, note=note)


@contextmanager
def _occupied(command: tuple[str, ...]) -> Iterator[Daemon]:
    """Lend a daemon whose whole capacity is held by a run with this command."""
    with daemon(FULL_UP) as ours:
        handle = ours.client.create(**no_op(command=command, stop_grace_seconds=0))
        while handle.refresh().started_at is None:
            time.sleep(0.02)
        time.sleep(FLOODED_S)
        yield ours


def _rates(ours: Daemon, bench: Bench) -> Mapping[str, float]:
    with ThreadPoolExecutor(CLIENTS) as threads:
        begun = time.perf_counter()
        shares = [
            threads.submit(_one_by_one, ours.served.host, bench.scale.submits // CLIENTS)
            for _ in range(CLIENTS)
        ]
        taken = [seconds for share in shares for seconds in share.result()]
        whole = time.perf_counter() - begun
    body = encoded_batch([no_op()] * BATCH)
    wire = Wire(ours.served.host)
    begun = time.perf_counter()
    for _ in range(bench.scale.batches):
        wire.post("/v1/runs/batch", body)
    batches = time.perf_counter() - begun
    wire.close()
    return {
        "each": len(taken) / whole,
        "p99": 1000 * quantile(taken, 0.99),
        "batch": bench.scale.batches * BATCH / batches,
    }


def _one_by_one(host: str, times: int) -> list[float]:
    wire, body, taken = Wire(host), encoded(no_op()), []
    for _ in range(times):
        begun = time.perf_counter()
        wire.post("/v1/runs", body)
        taken.append(time.perf_counter() - begun)
    wire.close()
    return taken
