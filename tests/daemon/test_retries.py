"""Attempts that follow one another: when, how often, and what each leaves in logs and bill."""

from decimal import Decimal
from typing import Any

import pytest
from runsd_sdk.run import Phase, Reason, Status

from tests.daemon.harness import Daemon, first_line, mount

COUNT = "echo x >> /v/n; n=$(wc -l < /v/n); echo attempt $n; "
SOON = {"backoff_seconds": 0.1, "max_backoff_seconds": 0.2}


def test_a_run_that_keeps_failing_has_its_attempts_each_with_log_and_bill(daemon: Daemon) -> None:
    with daemon.volume("failing") as volume:
        result = daemon.run(
            "sh", "-c", COUNT + "exit 4", volume_mounts=[mount(volume, "/v")], retries={"limit": 2, **SOON}
        )
    assert (result.status, result.reason, result.exit_code) == (Status.FAILED, Reason.EXITED, 4)
    assert (result.attempt, result.stdout) == (3, "attempt 3\n")
    for n in (1, 2, 3):
        assert daemon.raw(result.id, attempt=n) == f"attempt {n}\n".encode()
    assert daemon.raw(result.id) == b"attempt 1\nattempt 2\nattempt 3\n"
    usage = result.usage
    assert [line.attempt for line in usage.attempts] == [1, 2, 3]
    assert usage.duration_seconds == pytest.approx(sum(line.duration_seconds for line in usage.attempts))
    assert Decimal(usage.cost_usd) == sum(Decimal(line.cost_usd) for line in usage.attempts)
    told = daemon.client.attempts(result.id).data
    assert [(each.attempt, each.reason, each.exit_code) for each in told] == [
        (n, Reason.EXITED, 4) for n in (1, 2, 3)
    ]
    assert [(each.started_at, each.finished_at, each.cost_usd) for each in told] == [
        (line.started_at, line.finished_at, line.cost_usd) for line in usage.attempts
    ]
    for earlier, later in zip(usage.attempts, usage.attempts[1:], strict=False):
        assert earlier.finished_at < later.started_at
    types = [event.type for event in daemon.client.events(result.id)]
    assert [types.count(f"run.{kind}") for kind in ("admitted", "running", "retrying", "finished")] == [
        3, 3, 2, 1,
    ]  # fmt: skip


def test_a_run_that_succeeds_at_last_is_not_tried_again(daemon: Daemon) -> None:
    with daemon.volume("recovering") as volume:
        mounts = [mount(volume, "/v")]
        result = daemon.run(
            "sh", "-c", COUNT + "[ $n = 2 ]", volume_mounts=mounts, retries={"limit": 5, **SOON}
        )
    assert (result.status, result.attempt, result.exit_code) == (Status.SUCCEEDED, 2, 0)
    assert len(result.usage.attempts) == 2


@pytest.mark.parametrize(
    ("on", "script", "attempts"),
    [
        (["exited:3"], "exit 3", 2),
        (["exited:3"], "exit 4", 1),
        (["oom_killed"], "exec tail /dev/zero", 2),
        (["oom_killed"], "exit 1", 1),
        (["lost"], "exit 0", 1),
    ],
)
def test_only_what_was_named_is_tried_again(
    daemon: Daemon, on: list[str], script: str, attempts: int
) -> None:
    result = daemon.run("sh", "-c", script, retries={"limit": 1, "on": on, **SOON})
    assert result.attempt == attempts


def test_a_deadline_is_tried_again_where_asked_and_each_attempt_has_its_own(daemon: Daemon) -> None:
    again: Any = {"limit": 1, "on": ["deadline_exceeded"], **SOON}
    result = daemon.run("sleep", "60", retries=again, timeout_seconds=1, stop_grace_seconds=0)
    assert (result.status, result.attempt) == (Status.TIMEOUT, 2)
    assert [line.duration_seconds for line in result.usage.attempts] == [1, 1]


def test_cancel_during_the_backoff_ends_the_run_and_keeps_what_was_billed(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "sleep 0.1; exit 1", retries={"limit": 3, "backoff_seconds": 60})
    daemon.until(handle.id, "run.retrying")
    waiting = handle.refresh()
    assert (waiting.status, waiting.phase, waiting.attempt) == (Status.PENDING, Phase.QUEUED, 1)
    assert "attempt 2 follows in" in daemon.client.why(handle.id).summary
    run = handle.cancel()
    assert (run.status, run.reason) == (Status.CANCELLED, Reason.CANCELLED)
    assert [line.attempt for line in run.usage.attempts] == [1]
    assert run.usage.vcpu_seconds > 0
    assert handle.wait(10).attempt == 1


def test_cancel_of_a_run_that_would_be_retried_is_final(daemon: Daemon) -> None:
    script = "trap 'exit 1' TERM; echo ready; while :; do sleep 0.05; done"
    handle = daemon.submit("sh", "-c", script, retries={"limit": 3, **SOON})
    first_line(handle)
    handle.cancel()
    result = handle.wait(30)
    assert (result.status, result.attempt) == (Status.CANCELLED, 1)


def test_a_backoff_outlives_the_daemon(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "exit 1", retries={"limit": 1, "backoff_seconds": 1})
    daemon.until(handle.id, "run.retrying")
    daemon.kill9()
    daemon.start()
    result = handle.wait(30)
    assert (result.attempt, result.exit_code) == (2, 1)


def test_the_next_attempt_without_backoff_begins_while_the_last_is_cleared_away(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "exit 1", retries={"limit": 4, "backoff_seconds": 0})
    assert result.attempt == 5
    assert result.finished_at is not None
    assert (result.finished_at - result.created_at).total_seconds() < 20
