"""Who may start when: by what the host has, by priority, and without delaying anybody by who came later."""

from collections.abc import Iterator
from typing import Any

import pytest
from runsd_sdk import RunHandle, RunResult, Unprocessable
from runsd_sdk.run import Phase, Status

from tests.conftest import Serve
from tests.daemon.harness import Daemon


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon with room for two of its default runs, and for 2 GiB."""
    with serve(RUNSD_CAPACITY__CPU="1", RUNSD_CAPACITY__OVERCOMMIT="1") as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("asked", "field", "remedy"),
    [
        ({"cpu": "2"}, "cpu", "at most 1 cores"),
        ({"memory": "3Gi"}, "memory", "at most 2.0 GiB"),
        ({"gpu": "1"}, "gpu", "0 GPUs"),
    ],
)
def test_a_run_larger_than_the_host_is_refused_and_told_how_much_there_is(
    daemon: Daemon, asked: dict[str, str], field: str, remedy: str
) -> None:
    with pytest.raises(Unprocessable, match=remedy) as refused:
        daemon.submit("true", resources={"requests": asked})
    (error,) = refused.value.problem.errors
    assert error.loc == ["resources", "requests", field]
    assert remedy in refused.value.problem.detail


def test_never_more_run_at_once_than_fit(daemon: Daemon) -> None:
    specs = [daemon.spec("sleep", "1") for _ in range(4)]
    results = [handle.wait(60) for handle in daemon.client.create_batch(specs)]
    assert {result.status for result in results} == {Status.SUCCEEDED}
    assert most_at_once(results) == 2


def test_runs_start_by_priority_and_then_by_age(daemon: Daemon) -> None:
    blocker = whole_host(daemon)
    waiting = {
        name: daemon.submit("true", priority=priority, resources={"requests": {"cpu": "1"}}, name=name)
        for name, priority in (("low", -5), ("first", 0), ("high", 5), ("second", 0))
    }
    blocker.cancel()
    started = {name: handle.wait(30).started_at for name, handle in waiting.items()}
    assert sorted(started, key=lambda name: str(started[name])) == ["high", "first", "second", "low"]


def test_a_small_run_passes_a_big_one_only_when_it_cannot_delay_it(daemon: Daemon) -> None:
    holding = daemon.submit("sleep", "60", **memory("1Gi"), timeout_seconds=60, stop_grace_seconds=0)
    daemon.until(holding.id, "run.running")
    big = daemon.submit("true", **memory("2Gi"))
    long = daemon.submit("true", **memory("512Mi"), timeout_seconds=3600)
    short = daemon.submit("true", **memory("512Mi"), timeout_seconds=10, stop_grace_seconds=0)
    assert short.wait(30).status is Status.SUCCEEDED
    assert big.refresh().phase is Phase.QUEUED
    assert long.refresh().phase is Phase.QUEUED
    holding.cancel()
    after_big, after_long = big.wait(30), long.wait(30)
    assert after_big.finished_at is not None
    assert after_long.started_at is not None
    assert after_big.finished_at < after_long.started_at


def test_info_says_what_there_is_and_what_is_in_use(daemon: Daemon) -> None:
    assert daemon.client.info().in_use.cpu_milli == 0
    blocker = whole_host(daemon)
    queued = daemon.submit("true")
    info = daemon.client.info()
    assert (info.capacity.cpu_milli, info.capacity.memory_bytes) == (1000, 2 * 1024**3)
    assert (info.in_use.cpu_milli, info.queued, info.live) == (1000, 1, 1)
    figures = dict(line.rsplit(" ", 1) for line in daemon.http.get("/metrics").text.splitlines())
    assert [figures[f"runsd_{name}"] for name in ("runs_queued", "runs_live", "cpu_in_use_cores")] == [
        "1.0"
    ] * 3
    blocker.cancel()
    assert queued.wait(30).status is Status.SUCCEEDED


def test_why_says_what_a_queued_run_waits_for(daemon: Daemon) -> None:
    blocker = whole_host(daemon)
    first, second = daemon.submit("true"), daemon.submit("true")
    why = daemon.client.why(second.id)
    assert (why.status, why.phase, why.reason) == (Status.PENDING, Phase.QUEUED, None)
    assert why.summary == "it waits for resources that other runs hold"
    assert any("0.5 cores" in detail and "0 cores" in detail for detail in why.details)
    assert any("1 run is ahead" in detail for detail in why.details)
    blocker.cancel()
    for handle in (first, second):
        assert handle.wait(30).status is Status.SUCCEEDED


def test_a_burst_stays_in_the_queue_where_priority_counts(serve: Serve) -> None:
    with serve(RUNSD_CAPACITY__OVERCOMMIT="100", RUNSD_ENGINE__MAX_CONCURRENT_STARTS="1") as daemon:
        burst = daemon.client.create_batch([daemon.spec("true") for _ in range(24)])
        daemon.until(burst[0].id, "run.running")
        assert "runsd_starts_limit 1.0" in daemon.http.get("/metrics").text
        urgent = daemon.submit("true", priority=5).wait(60)
        last = burst[-1].wait(60)
        assert {handle.wait(60).status for handle in burst} == {Status.SUCCEEDED}
    assert urgent.started_at is not None
    assert last.started_at is not None
    assert urgent.started_at < last.started_at


def whole_host(daemon: Daemon) -> RunHandle:
    """Start a run that leaves room for nobody."""
    handle = daemon.submit("sleep", "60", resources={"requests": {"cpu": "1"}}, stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    return handle


def memory(size: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": "100m", "memory": size}}}


def most_at_once(results: list[RunResult]) -> int:
    """Count overlapping runs by the Engine's instants."""
    steps = []
    for result in results:
        assert result.started_at is not None
        assert result.finished_at is not None
        steps += [(result.started_at, 1), (result.finished_at, -1)]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most
