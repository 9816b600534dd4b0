"""What a long queue costs those who use it: the admission of one run, and a page of the list."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bench import Bench
from benchmarks.daemon import Daemon, daemon, no_op, sleeper
from benchmarks.figure import Figure
from benchmarks.footprint import queue
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say
from benchmarks.statistic import quantile
from benchmarks.wire import Wire

FEW = 10
# One core is held by a sleeper, the queue wants two each, and one is left for whoever may go first.
TWO_CORES = {"RUNSD_CAPACITY__CPU": "2", "RUNSD_CAPACITY__MEMORY": "1Ti"}
BOTH = {"requests": {"cpu": "2", "memory": "64Mi"}}
PAGE = "/v1/runs?status=pending&limit=10"


def queued(bench: Bench) -> Iterator[Figure]:
    """Measure two daemons side by side, one with a short queue and one with a long one."""
    scale = bench.scale
    say(f"queues of {FEW} and {scale.queued}")
    with standing(FEW) as short, standing(scale.queued) as long:
        daemons = {"long": long, "short": short}
        admits = alternate(daemons, lambda one: admit_ms(one, scale.probes), rounds=scale.rounds)
        pages = alternate(daemons, lambda one: page_ms(one, scale.lists), rounds=scale.rounds)
    for key, taken, share in (("queue.admit", admits, 0.5), ("queue.list", pages, 0.99)):
        values = {name: [quantile(each, share) for each in rounds] for name, rounds in taken.items()}
        yield figure(key, values["long"], values["short"], note=f"{scale.queued:,} against {FEW}")


@contextmanager
def standing(count: int) -> Iterator[Daemon]:
    """Lend a daemon with so many runs in a queue that does not move."""
    with daemon(TWO_CORES) as ours:
        blocked(ours)
        queue(ours, count, resources=BOTH)
        admit_ms(ours, 1)
        page_ms(ours, 1)
        yield ours


def blocked(ours: Daemon) -> None:
    """Have a run hold a little of everything: who wants all that there is has to wait."""
    blocker = ours.client.create(**sleeper())
    while blocker.refresh().started_at is None:
        time.sleep(0.02)


def admit_ms(ours: Daemon, times: int) -> list[float]:
    """Return from submission to admission, by the daemon's own record, for runs that may go first."""
    taken = []
    for _ in range(times):
        result = ours.client.create_and_wait(check=True, **no_op(priority=100))
        at = {event.type: event.time for event in ours.client.events(result.id)}
        taken.append(1000 * (at["run.admitted"] - at["run.submitted"]).total_seconds())
    ours.settle()
    return taken


def page_ms(ours: Daemon, times: int, *, page: str = PAGE) -> list[float]:
    """Return how long a page of the list takes, of the queue for example, each time that it is asked for."""
    wire, taken = Wire(ours.served.host), []
    for _ in range(times):
        begun = time.perf_counter()
        wire.get(page)
        taken.append(1000 * (time.perf_counter() - begun))
    wire.close()
    return taken
