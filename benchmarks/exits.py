"""How much later than the Engine's own /wait a caller of wait() knows that its run is over."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import docker

from benchmarks.bench import Bench
from benchmarks.daemon import Daemon, daemon, no_op
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import say
from benchmarks.statistic import quantile

LONG_ENOUGH = ("sleep", "0.4")  # for both to be waiting before it is over


def exits(bench: Bench) -> Iterator[Figure]:
    """Measure exits one by one, each seen by the Engine's client and by runsd's, in one process."""
    p50, p99 = [], []
    with daemon() as ours, ThreadPoolExecutor(1) as threads:
        _behind_ms(ours, bench.engine, threads)
        for number in range(bench.scale.rounds):
            say(f"exits, round {number + 1}")
            behind = [_behind_ms(ours, bench.engine, threads) for _ in range(bench.scale.exits)]
            p50.append(quantile(behind, 0.5))
            p99.append(quantile(behind, 0.99))
    note = f"{bench.scale.exits} exits a round"
    yield figure("exit.p50", p50, note=note)
    yield figure("exit.p99", p99, note=note)


def _behind_ms(ours: Daemon, engine: docker.APIClient, threads: ThreadPoolExecutor) -> float:
    """Carry out a run and return how long after the Engine's /wait runsd's wait() has returned."""
    handle = ours.client.create(**no_op(command=LONG_ENOUGH))
    next(event for event in ours.client.events(handle.id, follow=True) if event.type == "run.running")
    found = engine.containers(filters={"label": f"io.runsd.run={handle.id}"})
    seen = threads.submit(_waited, engine, found[0]["Id"])
    handle.wait(check=True)
    returned = time.perf_counter()
    ours.settle()
    return 1000 * (returned - seen.result())


def _waited(engine: docker.APIClient, container: str) -> float:
    engine.wait(container)
    return time.perf_counter()
