"""Deadlines: of a run, with its grace, and of a place in the queue."""

import time
from datetime import timedelta

import pytest
from runsd_sdk import RunResult
from runsd_sdk.run import Reason, Status

from tests.daemon.harness import Daemon

IGNORES_TERM = "trap 'echo ignored' TERM; while :; do sleep 0.1; done"
OBEYS_TERM = "trap 'echo bye; exit 5' TERM; while :; do sleep 0.1; done"


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", IGNORES_TERM, timeout_seconds=1, stop_grace_seconds=1)
    timed_out(result)
    assert result.exit_code == 137
    assert result.stdout == "ignored\n"
    assert 2 <= ran_s(result) < 4
    assert result.usage.duration_seconds <= 2  # timeout and grace: more is never paid


def test_a_process_that_obeys_sigterm_ends_within_its_grace(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", OBEYS_TERM, timeout_seconds=1, stop_grace_seconds=30)
    timed_out(result)
    assert (result.exit_code, result.stdout) == (5, "bye\n")
    assert 1 <= ran_s(result) < 3


def test_without_grace_it_is_killed_at_once(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", IGNORES_TERM, timeout_seconds=1, stop_grace_seconds=0)
    timed_out(result)
    assert (result.exit_code, result.stdout) == (137, "")
    assert 1 <= ran_s(result) < 3
    assert result.usage.duration_seconds <= 1


def test_a_run_that_waits_too_long_in_the_queue_expires(daemon: Daemon) -> None:
    blocker = daemon.submit("sleep", "60", resources={"requests": {"memory": "2Gi"}})
    daemon.until(blocker.id, "run.running")
    asked = time.monotonic()
    result = daemon.run("true", queue_ttl_seconds=1)
    assert 1 <= time.monotonic() - asked < 5
    blocker.cancel()
    assert (result.status, result.reason) == (Status.FAILED, Reason.QUEUE_EXPIRED)
    assert (result.attempt, result.started_at, result.usage.vcpu_seconds) == (0, None, 0)
    assert "queueTtlSeconds" in str(result.message)
    assert blocker.wait(30).status is Status.CANCELLED


def test_a_live_deadline_that_is_extended_moves(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "sleep 2; echo done", timeout_seconds=1)
    daemon.until(handle.id, "run.running")
    run = handle.extend(30)
    assert run.started_at is not None
    assert run.deadline_at == run.started_at + timedelta(seconds=30)
    assert run.spec.timeout_seconds == 30
    result = handle.wait(30)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "done\n")


def test_a_live_deadline_may_also_be_drawn_nearer(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60", timeout_seconds=60, stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    handle.extend(1)
    timed_out(handle.wait(20))


@pytest.mark.parametrize("timeout_s", [0, 86_401])
def test_a_deadline_out_of_bounds_is_refused_and_changes_nothing(daemon: Daemon, timeout_s: int) -> None:
    handle = daemon.submit("sleep", "60")
    answer = daemon.http.patch(f"/v1/runs/{handle.id}", json={"timeoutSeconds": timeout_s})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["timeoutSeconds"])
    assert handle.refresh().spec.timeout_seconds == 60
    handle.cancel()


def timed_out(result: RunResult) -> None:
    assert (result.status, result.reason) == (Status.TIMEOUT, Reason.DEADLINE_EXCEEDED)
    assert result.started_at is not None
    assert result.deadline_at == result.started_at + timedelta(seconds=result.spec.timeout_seconds)


def ran_s(result: RunResult) -> float:
    assert result.started_at is not None
    assert result.finished_at is not None
    return (result.finished_at - result.started_at).total_seconds()
