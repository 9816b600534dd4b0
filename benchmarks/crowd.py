"""Many runs submitted at once: how quickly they are through, and what others wait meanwhile."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from benchmarks.contestants import Runsd
from benchmarks.daemon import Daemon
from benchmarks.statistic import quantile
from benchmarks.wire import Wire

EVERY_S = 0.1


def through_a_crowd(ours: Daemon, count: int, body: bytes) -> dict[str, float]:
    """Submit so many no-op runs, and every tenth of a second one more, which is cancelled in the queue.

    ``body`` submits one that stays in the queue until then.
    """
    submits: list[float] = []
    cancels: list[float] = []
    wire = Wire(ours.served.host)
    begun = time.perf_counter()
    with ThreadPoolExecutor(1) as crowd:
        passing = crowd.submit(Runsd(ours).burst, count, "none")
        while not _over(passing):
            run = json.loads(_timed(wire.post, "/v1/runs", body, into=submits))
            _timed(wire.post, f"/v1/runs/{run['id']}/cancel", b"", into=cancels)
        passing.result()
    took = time.perf_counter() - begun
    wire.close()
    ours.settle()
    return {
        "through, runs/s": count / took,
        "a submit meanwhile p50, ms": quantile(submits, 0.5),
        "a submit meanwhile p99, ms": quantile(submits, 0.99),
        "a cancel meanwhile p50, ms": quantile(cancels, 0.5),
        "a cancel meanwhile p99, ms": quantile(cancels, 0.99),
    }


def _over(passing: Future[None]) -> bool:
    """Wait a little for the end."""
    try:
        passing.exception(EVERY_S)
    except TimeoutError:
        return False
    return True


def _timed(ask: Callable[[str, bytes], bytes], path: str, body: bytes, *, into: list[float]) -> bytes:
    begun = time.perf_counter()
    answer = ask(path, body)
    into.append(1000 * (time.perf_counter() - begun))
    return answer
