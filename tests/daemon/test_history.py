"""A daemon on a long history: up at once, every list at once, and no bigger than on none.

``make history`` asks it of a million runs; the numbers it prints are those of docs/history.md.
"""

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import docker
import history
import psutil
import pytest
from history import History

from tests.daemon.harness import Daemon

RUNS = int(os.environ.get("HISTORY_RUNS", "20000"))
TIMES = 10
# What is promised (see docs/history.md), and how much slower a busy machine may be.
BOOT_S, PAGE_MS, GROWTH_BYTES = 2.0, 20.0, 20 * 1024**2
SLACK = 5
# A history is of a fixed time, and nothing of it may be forgotten while it is looked at.
KEEP = {f"RUNSD_RETENTION__{what}": "0" for what in ("RUNS_DAYS", "EVENTS_DAYS", "MAX_RUNS", "MAX_EVENTS")}
Q = "/v1/runs?"
LAST_SUMMER = "createdAfter=2025-07-01T00:00:00Z"
LISTS = {
    "everything": Q,
    "succeeded": Q + "status=succeeded",
    "failed": Q + "status=failed",
    "timeout (old)": Q + "status=timeout",
    "pending": Q + "status=pending",
    "running (none)": Q + "status=running",
    "not over": Q + "status=pending&status=running",
    "failed, succeeded": Q + "status=failed&status=succeeded",
    "all statuses": Q + "&".join(
        f"status={s}" for s in ("pending", "running", "succeeded", "failed", "cancelled", "timeout")
    ),
    "team": Q + "label=team%3Dteam-3",
    "fold": Q + "label=fold%3D4",
    "experiment (one)": Q + "label=experiment%3Dexp-0000003",
    "kept (rare)": Q + "label=kept%3Dyes",
    "no such label": Q + "label=no%3Dsuch",
    "nightly": Q + "name=nightly",
    "one name": Q + "name=train-3",
    "no such name": Q + "name=nobody",
    "task": Q + "task=task_3",
    "no such task": Q + "task=task_9",
    "after summer": Q + LAST_SUMMER,
    "after the end": Q + "createdAfter=2026-02-01T00:00:00Z",
    "team, fold": Q + "label=team%3Dteam-3&label=fold%3D4",
    "hosts that never meet": Q + "label=host%3Deven&label=host%3Dodd",
    "host, fold that never meet": Q + "label=host%3Deven&label=fold%3D4",
    "team, timeout": Q + "label=team%3Dteam-3&status=timeout",
    "host, timeout": Q + "label=host%3Deven&status=timeout",
    "host, pending": Q + "label=host%3Deven&status=pending",
    "nightly, kept": Q + "name=nightly&label=kept%3Dyes",
    "nightly, timeout": Q + "name=nightly&status=timeout",
    "nightly, hosts that never meet": Q + "name=nightly&label=host%3Deven&label=host%3Dodd",
    "nightly, failed, succeeded": Q + "name=nightly&status=failed&status=succeeded",
    "nightly, team, after summer": Q + f"name=nightly&label=team%3Dteam-3&{LAST_SUMMER}",
    "failed, succeeded that never meet": Q
    + "status=failed&status=succeeded&label=host%3Deven&label=host%3Dodd",
    "failed, after the end": Q + "status=failed&createdAfter=2026-02-01T00:00:00Z",
    "task, nightly, cancelled": Q + "task=task_3&name=nightly&status=cancelled",
    "from the middle": Q + "cursor=run_01jz",
    "team, timeout, from the middle": Q + "label=team%3Dteam-3&status=timeout&cursor=run_01jz",
}  # fmt: skip
OTHERS = {
    "info": "/v1/info",
    "metrics": "/metrics",
    "volumes": "/v1/volumes",
    "first events": "/v1/events",
    "late events": f"/v1/events?since={3 * RUNS}",
}
Table = Callable[[str, float, float], None]


@pytest.fixture(scope="module")
def grown(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    engine_host: str,
    busybox_image: str,
    instances: set[str],
) -> Iterator[Daemon]:
    """A daemon on a history of RUNS runs; those still queued ask for more than any host has."""
    directory = tmp_path_factory.mktemp("history")
    (directory / "data").mkdir()
    asyncio.run(history.make(directory / "data" / "runsd.db", History(RUNS)))
    with Daemon(directory, docker_client, engine_host, image=busybox_image, **KEEP) as daemon:
        instances.add(daemon.instance)
        yield daemon


def test_it_is_up_at_once(grown: Daemon) -> None:
    grown.terminate()
    began = time.monotonic()
    grown.start()
    took = time.monotonic() - began
    say(f"\nboot with {RUNS} runs: {took * 1000:.0f} ms")
    assert took < BOOT_S * SLACK


def test_every_list_and_every_glance_is_answered_at_once(grown: Daemon) -> None:
    asked = LISTS | OTHERS
    took: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(TIMES):
        for name, path in asked.items():
            began = time.perf_counter()
            answer = grown.http.get(path)
            took[name].append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, answer.text
    say(f"\n{'with ' + str(RUNS) + ' runs':38} p50 ms  p99 ms")
    for name, times in took.items():
        say(f"{name:38} {quantile(times, 0.5):6.1f}  {quantile(times, 0.99):6.1f}")
    whole = [ms for times in took.values() for ms in times]
    say(f"{'all':38} {quantile(whole, 0.5):6.1f}  {quantile(whole, 0.99):6.1f}")
    assert quantile(whole, 0.99) < PAGE_MS * SLACK


def test_it_stays_small(grown: Daemon, serve: Callable[..., AbstractContextManager[Daemon]]) -> None:
    with serve() as other:
        for daemon in (grown, other):
            leaf(daemon)
        small, big = (psutil.Process(daemon.pid).memory_info().rss for daemon in (other, grown))
    say(f"\nresident: {small / 2**20:.1f} MiB on no history, {big / 2**20:.1f} MiB on {RUNS} runs")
    assert big - small < GROWTH_BYTES


def leaf(daemon: Daemon) -> None:
    """Follow every list for a while."""
    for path in LISTS.values():
        asked: str | None = path
        for _ in range(3):
            if asked is not None:
                cursor = daemon.http.get(asked).json()["nextCursor"]
                asked = cursor and f"{path}&cursor={cursor}"


def say(line: str) -> None:
    """Tell a number to whoever runs this with ``-s``."""
    sys.stdout.write(f"{line}\n")


def quantile(values: list[float], share: float) -> float:
    """Return the smallest value that so great a share does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
