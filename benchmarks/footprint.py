"""What the daemon holds and does when nothing happens: memory and processor time."""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.bench import Bench
from benchmarks.daemon import Daemon, daemon, no_op, sleeper
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import say
from benchmarks.wire import Wire, encoded_batch

BATCH = 1000
BREATH_S = 3.0
LARGE = {"requests": {"cpu": "2", "memory": "64Mi"}}


def footprint(bench: Bench) -> Iterator[Figure]:
    """Measure one daemon: idle, then with sleeping runs, then with a long queue behind them."""
    scale = bench.scale
    # Room for every sleeper, and then for nobody in the queue.
    room = {"RUNSD_CAPACITY__CPU": str(scale.sleepers + 1), "RUNSD_CAPACITY__MEMORY": "1Ti"}
    with daemon(room) as ours:
        say(f"memory and idle CPU, {scale.sleepers} running and {scale.queued} queued")
        for _ in ours.client.map([{}] * 10, check=True, **no_op()):
            pass
        ours.settle()
        idle = _resident(ours)
        sleepers(ours, scale.sleepers)
        running = _resident(ours)
        young = cpu_share(ours, scale.idle_seconds)
        time.sleep(scale.youth_seconds)
        old = cpu_share(ours, scale.idle_seconds)
        queue(ours, scale.queued, resources=LARGE)
        queued = _resident(ours)
    yield figure("memory.idle", [idle / 2**20])
    yield figure("memory.running", [(running - idle) / 1024 / scale.sleepers], note=f"{scale.sleepers} runs")
    yield figure("memory.queued", [(queued - running) / 1024 / scale.queued], note=f"{scale.queued:,} runs")
    for key, share in (("cpu.idle", old), ("cpu.young", young)):
        yield figure(key, [100 * share], note=f"{scale.sleepers} runs, {scale.idle_seconds:g} s")


def sleepers(ours: Daemon, count: int) -> None:
    """Add so many sleeping runs, and return when all of them run."""
    handles = ours.client.create_batch([sleeper() for _ in range(count)])
    for handle in handles:
        while handle.refresh().started_at is None:
            if handle.status.terminal:
                raise RuntimeError(f"{handle.id} should sleep, and has {handle.status}: {handle.run.message}")
            time.sleep(0.1)


def queue(ours: Daemon, count: int, **fields: Any) -> None:
    """Add so many runs to the queue."""
    wire = Wire(ours.served.host)
    for first in range(0, count, BATCH):
        wire.post("/v1/runs/batch", encoded_batch([no_op(**fields)] * min(BATCH, count - first)))
    wire.close()


def cpu_share(ours: Daemon, seconds: float) -> float:
    """Return the share of one core that the daemon uses from now on."""
    before = ours.cpu_s()
    time.sleep(seconds)
    return (ours.cpu_s() - before) / seconds


def _resident(ours: Daemon) -> int:
    time.sleep(BREATH_S)
    return ours.resident_bytes()
