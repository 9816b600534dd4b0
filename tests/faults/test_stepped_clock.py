"""The daemon's clock is stepped by an hour while runs go on: no deadline, backoff or bill notices."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import tools
from runsd_sdk.run import RunResult, Status

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, Daemon, eventually

pytestmark = pytest.mark.needs("libfaketime")

HOUR_S = 3600
TIMEOUT_S = 5
BACKOFF_S = 6
# How much later than due something may happen on a slow machine; a tenth of what a step would do to it.
SLACK_S = 60.0
STEPS = pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S], ids=["on", "back"])


@dataclass(slots=True)
class Clock:
    """The wall clock of one process, so many seconds off; the others are as they are."""

    file: Path
    off_s: int = 0

    def step(self, by_s: int) -> None:
        """Step it on or back."""
        self.off_s += by_s
        written = self.file.with_suffix(".new")
        written.write_text(f"{self.off_s:+d}\n")
        written.replace(self.file)

    def environment(self) -> dict[str, str]:
        """Return what a process that has this clock is started with."""
        return {
            "LD_PRELOAD": str(tools.faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    clock = Clock(tmp_path_factory.mktemp("clock") / "off")
    clock.step(0)
    return clock


@pytest.fixture(scope="module")
def daemon(serve: Serve, clock: Clock) -> Iterator[Daemon]:
    with serve(**clock.environment()) as daemon:
        yield daemon


@STEPS
def test_a_deadline_comes_when_it_is_due(daemon: Daemon, clock: Clock, by_s: int) -> None:
    handle = daemon.submit("sleep", "600", timeout_seconds=TIMEOUT_S, stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    clock.step(by_s)
    ended_at_its_deadline(handle.wait(ENDED_S))


@STEPS
def test_a_deadline_is_kept_by_the_daemon_that_comes_after_the_step(
    daemon: Daemon, clock: Clock, by_s: int
) -> None:
    handle = daemon.submit("sleep", "600", timeout_seconds=TIMEOUT_S, stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    clock.step(by_s)
    daemon.start()
    ended_at_its_deadline(handle.wait(ENDED_S))


@pytest.mark.parametrize("killed", [False, True], ids=["seen", "while dead"])
@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S], ids=["on", "back"])
def test_a_backoff_is_as_long_as_it_is(daemon: Daemon, clock: Clock, by_s: int, killed: bool) -> None:
    retries = {"limit": 1, "backoff_seconds": BACKOFF_S, "max_backoff_seconds": BACKOFF_S, "on": ["exited"]}
    handle = daemon.submit("false", retries=retries)
    daemon.until(handle.id, "run.retrying")
    if killed:
        daemon.kill9()
    clock.step(by_s)
    daemon.ensure_up()
    result = handle.wait(ENDED_S)
    first, second = result.usage.attempts
    # Jitter takes off up to half of a backoff.
    assert BACKOFF_S / 2 - 1 <= (second.started_at - first.finished_at).total_seconds() < SLACK_S


def test_a_schedule_leaves_nothing_out_that_a_step_jumps_over_and_repeats_nothing_after_one_back(
    daemon: Daemon, clock: Clock
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=clock.off_s + HOUR_S / 2)
    cron = f"{soon.minute} {soon.hour} * * *"
    task = daemon.client.tasks.create("stepped", schedule={"cron": cron}, **daemon.spec("true"))
    clock.step(HOUR_S)
    assert eventually(lambda: bool(daemon.client.list(task="stepped").data), within_s=ENDED_S)
    (run,) = daemon.client.list(task="stepped").data
    assert run.scheduled_at == soon.replace(second=0, microsecond=0)
    assert daemon.client.wait(run.id, ENDED_S).status is Status.SUCCEEDED
    assert task.schedule is not None
    for killed in (False, True):
        if killed:
            daemon.kill9()
        clock.step(-HOUR_S)
        daemon.ensure_up()
        schedule = daemon.client.tasks.get("stepped").schedule
        assert schedule is not None and schedule.next[0] == task.schedule.next[1]
        clock.step(HOUR_S)
        assert eventually(lambda: abs(ahead(daemon) - clock.off_s) < SLACK_S)
    assert [each.id for each in daemon.client.list(task="stepped").data] == [run.id]
    daemon.client.tasks.delete("stepped")


def test_each_step_is_noticed_and_said(daemon: Daemon, clock: Clock) -> None:
    for by_s in (HOUR_S, -HOUR_S):
        before = len(stepped(daemon))
        clock.step(by_s)
        assert eventually(lambda before=before: len(stepped(daemon)) > before)  # type: ignore[misc]
        assert abs(stepped(daemon)[-1] - by_s) < 2


def ended_at_its_deadline(result: RunResult) -> None:
    """Check it by the Engine's clock, which nobody has stepped."""
    assert result.status is Status.TIMEOUT
    assert result.started_at is not None and result.finished_at is not None
    assert timedelta(seconds=TIMEOUT_S) <= result.finished_at - result.started_at
    assert result.finished_at - result.started_at < timedelta(seconds=TIMEOUT_S + SLACK_S)
    assert result.usage.duration_seconds == TIMEOUT_S


def ahead(daemon: Daemon) -> float:
    """Return how far the clock of the daemon is off, by what it puts on a new run."""
    made = daemon.client.create(**daemon.spec("true"))
    daemon.client.cancel(made.id)
    return (made.run.created_at - datetime.now(UTC)).total_seconds()


def stepped(daemon: Daemon) -> list[float]:
    return [line["by_seconds"] for line in daemon.logged() if line["event"] == "clock.stepped"]
