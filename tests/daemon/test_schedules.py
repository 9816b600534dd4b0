"""Schedules through a daemon: set, shown, started by the clock, and not thrown by any death of the daemon."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from runsd_sdk import Task, Unprocessable
from runsd_sdk.run import Run
from runsd_sdk.task import InstantOutcome, ScheduledInstant

from tests.conftest import Serve
from tests.daemon.command import answer, runs
from tests.daemon.harness import ENDED_S, Daemon, eventually

MINUTE_US = 60_000_000
SCHEDULED = "scheduled"  # the step at which the daemon is killed


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve() as daemon:
        yield daemon


@pytest.mark.parametrize("point", [f"before:{SCHEDULED}", f"after:{SCHEDULED}", f"after:{SCHEDULED}#2"])
def test_killed_as_an_instant_is_decided_it_has_one_run_all_the_same(daemon: Daemon, point: str) -> None:
    every_minute = {"cron": "* * * * *", "overlap": "queue"}
    task = daemon.client.tasks.create("minutely", schedule=every_minute, **daemon.spec("true"))
    daemon.ensure_down()
    put_back(daemon, task, minutes=3)
    daemon.start_doomed(point)
    daemon.await_death()
    daemon.start()
    assert eventually(lambda: done(daemon, task), within_s=ENDED_S)
    daemon.client.tasks.unschedule(task.id)
    came = [run.scheduled_at for run in of(daemon, task)]
    first, last = came[0], came[-1]
    assert first is not None and last is not None
    assert came == [first + timedelta(minutes=n) for n in range(len(came))]
    assert last > task.created_at - timedelta(minutes=1)
    daemon.client.tasks.delete(task.id)


def test_an_outage_is_made_up_for_by_one_run_that_says_for_when_it_is(daemon: Daemon) -> None:
    schedule = {"cron": "0 * * * *", "timezone": "Europe/Berlin", "catch_up": "last"}
    task = daemon.client.tasks.create("hourly", schedule=schedule, **daemon.spec("true"))
    daemon.ensure_down()
    put_back(daemon, task, minutes=60 * 50)
    daemon.start()
    assert eventually(lambda: done(daemon, task, least=1), within_s=ENDED_S)
    (run,) = of(daemon, task)
    assert (run.trigger, run.task, run.task_version) == ("schedule", task.id, 1)
    assert run.scheduled_at is not None and run.scheduled_at.minute == 0
    assert task.created_at - timedelta(hours=1) < run.scheduled_at <= run.created_at
    assert daemon.client.rerun(run.id).wait(ENDED_S).trigger == "rerun"
    shown = answer(daemon, "task", "show", "hourly")
    assert "0 * * * * (Europe/Berlin)" in shown and run.id in shown
    daemon.client.tasks.delete(task.id)


def test_what_this_host_can_give_no_secret_files_any_more_is_refused_when_it_is_due(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.client.secrets.set("TOKEN", "hush")
    spec = daemon.spec("true", secrets=[{"name": "TOKEN", "path": "token"}])
    hourly = {"cron": "0 * * * *", "catch_up": "last"}
    task = daemon.client.tasks.create("with-a-file", schedule=hourly, **spec)
    daemon.ensure_down()
    put_back(daemon, task, minutes=60)
    daemon.start(RUNSD_SECRETS__DIRECTORY=str(tmp_path))  # on a disk
    assert eventually(lambda: bool(recent(daemon, task)), within_s=ENDED_S)
    (instant,) = recent(daemon, task)
    assert instant.outcome is InstantOutcome.REFUSED
    assert "no tmpfs" in (instant.message or "")
    assert of(daemon, task) == []
    daemon.client.tasks.delete(task.id)
    daemon.restart()


def test_a_schedule_is_set_changed_paused_and_removed(daemon: Daemon) -> None:
    tasks = daemon.client.tasks
    tasks.create("planned", **daemon.spec("true"))
    set_ = tasks.schedule("planned", "30 2 * * *", timezone="Europe/Berlin").schedule
    assert set_ is not None and (set_.overlap, set_.catch_up, len(set_.next)) == ("skip", "none", 5)
    changed = tasks.schedule("planned", overlap="allow").schedule
    assert changed is not None and (changed.cron, changed.overlap) == ("30 2 * * *", "allow")
    paused = tasks.pause("planned").schedule
    assert paused is not None and (paused.paused, paused.next) == (True, [])
    resumed = tasks.resume("planned").schedule
    assert resumed is not None and resumed.next == set_.next
    assert (task := tasks.unschedule("planned")).schedule is None and task.version == 1
    with pytest.raises(Unprocessable) as refused:
        tasks.pause("planned")
    assert refused.value.problem.errors[0].loc == ["schedule", "cron"]
    tasks.delete("planned")


@pytest.mark.parametrize(
    ("schedule", "loc"),
    [
        ({"cron": "soon"}, ["schedule", "cron"]),
        ({"cron": "0 0 31 2 *"}, ["schedule", "cron"]),
        ({"cron": "@daily", "timezone": "Mars/Olympus"}, ["schedule", "timezone"]),
        ({"cron": "@daily", "overlap": "both"}, ["schedule", "overlap"]),
    ],
)
def test_what_names_no_time_is_refused_and_leaves_no_task(
    daemon: Daemon, schedule: dict[str, str], loc: list[str]
) -> None:
    body = {"name": "refused", "spec": {"image": "a"}, "schedule": schedule}
    refused = daemon.http.post("/v1/tasks", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, loc)
    assert daemon.client.tasks.list() == []


def test_the_command_sets_shows_and_ends_schedules(daemon: Daemon) -> None:
    answer(daemon, "task", "create", "--as", "cleanup", daemon.image, "--", "true")
    shown = answer(daemon, "schedule", "set", "cleanup", "0 3 * * 1", "--timezone", "Asia/Kolkata")
    assert "0 3 * * 1 (Asia/Kolkata)" in shown and "skip" in shown
    assert "cleanup" in answer(daemon, "task", "schedule", "ls")
    assert "paused" in answer(daemon, "schedule", "pause", "cleanup")
    assert "paused" not in answer(daemon, "schedule", "resume", "cleanup")
    (found,) = json.loads(answer(daemon, "schedule", "ls", "--json"))
    assert len(found["schedule"]["next"]) == 5
    assert runs(daemon, "schedule", "set", "cleanup", "whenever").returncode == 1
    assert runs(daemon, "schedule", "set", "cleanup").returncode == 2
    assert answer(daemon, "schedule", "rm", "cleanup") == "cleanup\n"
    assert "no schedule" in runs(daemon, "schedule", "show", "cleanup").stderr
    answer(daemon, "task", "rm", "cleanup")


def put_back(daemon: Daemon, task: Task, *, minutes: int) -> None:
    """Let a dead daemon have decided nothing of a schedule for some time."""
    through_us = time.time_ns() // 1000 - minutes * MINUTE_US
    with closing(sqlite3.connect(daemon.directory / "data" / "runsd.db")) as db, db:
        db.execute(
            "update schedules set through_us = :at, next_us = :at where task_id = :id",
            {"at": through_us, "id": task.id},
        )
        db.execute("delete from schedule_instants where task_id = ?", (task.id,))


def done(daemon: Daemon, task: Task, *, least: int = 3) -> bool:
    """Say whether so many instants are decided, and none waits any more."""
    outcomes = [each.outcome for each in recent(daemon, task)]
    return len(outcomes) >= least and set(outcomes) == {InstantOutcome.STARTED}


def recent(daemon: Daemon, task: Task) -> Sequence[ScheduledInstant]:
    """Return the last instants of a task's schedule, the newest first."""
    schedule = daemon.client.tasks.get(task.id).schedule
    assert schedule is not None
    return schedule.recent


def of(daemon: Daemon, task: Task) -> list[Run]:
    """Return the runs of a task in the order of their instants."""
    return sorted(daemon.client.iterate(task=task.id), key=lambda run: str(run.scheduled_at))
