"""Tasks through a daemon: saved, edited, started with changes, forgotten; by the SDK and the command."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from runsd_sdk import Conflict, InvalidSpec, NotFound, Unprocessable
from runsd_sdk.run import Status
from runsd_sdk.task import NewHook

from tests.conftest import Serve
from tests.daemon.command import answer, runs
from tests.daemon.harness import ENDED_S, Daemon


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve() as daemon:
        yield daemon


def test_a_task_is_started_with_overrides_and_its_runs_say_which_version_they_are_of(daemon: Daemon) -> None:
    tasks = daemon.client.tasks
    spec = daemon.spec("sh", "-c", "echo $WHO", env={"WHO": "task"})
    task = tasks.create("greeting", **spec)
    first = tasks.trigger("greeting").wait(ENDED_S)
    assert (first.stdout, first.name, first.trigger) == ("task\n", "greeting", "manual")
    assert (first.task, first.task_version) == (task.id, 1)
    other = tasks.trigger(task.id, env={"WHO": "override"}, name="other").wait(ENDED_S)
    assert (other.stdout, other.name, other.task_version) == ("override\n", "other", 1)
    edited = tasks.edit("greeting", env={"WHO": "edit"})
    assert (edited.version, edited.spec.command) == (2, task.spec.command)
    second = tasks.trigger("greeting").wait(ENDED_S)
    assert (second.stdout, second.task_version) == ("edit\n", 2)
    again = daemon.client.rerun(first.id).wait(ENDED_S)
    assert (again.stdout, again.task, again.task_version, again.trigger) == ("task\n", task.id, 1, "rerun")
    ids = [again.id, second.id, other.id, first.id]
    for name in ("greeting", task.id):
        assert [run.id for run in daemon.client.list(task=name).data] == ids
    tasks.delete("greeting")
    assert [run.id for run in daemon.client.list(task=task.id).data] == ids
    groups = daemon.client.usage(group_by="task").groups or []
    assert [group.runs for group in groups if group.key == task.id] == [4]
    with pytest.raises(NotFound):
        tasks.trigger("greeting")


def test_a_task_made_from_a_run_runs_the_same(daemon: Daemon) -> None:
    run = daemon.run("echo", "again", labels={"k": "v"}, name="once")
    task = daemon.client.tasks.create("saved", from_run=run.id)
    ended = daemon.client.tasks.trigger("saved").wait(ENDED_S)
    assert (ended.stdout, ended.labels, ended.name) == ("again\n", {"k": "v"}, "once")
    assert ended.spec == run.spec
    other = daemon.run("echo", "other")
    assert daemon.client.tasks.edit("saved", from_run=other.id).version == task.version + 1
    assert daemon.client.tasks.trigger("saved").wait(ENDED_S).stdout == "other\n"
    daemon.client.tasks.delete("saved")


def test_a_repeated_trigger_makes_one_run(daemon: Daemon) -> None:
    daemon.client.tasks.create("repeated", **daemon.spec("true"))
    first, second = [daemon.client.tasks.trigger("repeated", idempotency_key="one") for _ in range(2)]
    assert first.id == second.id
    with pytest.raises(Conflict, match="another body"):
        daemon.client.tasks.trigger("repeated", idempotency_key="one", priority=1)
    assert first.wait(ENDED_S).status is Status.SUCCEEDED
    daemon.client.tasks.delete("repeated")


def test_what_can_never_run_is_refused_where_it_is_said(daemon: Daemon) -> None:
    tasks = daemon.client.tasks
    with pytest.raises(Unprocessable) as refused:
        tasks.create("big", image="a", resources={"requests": {"cpu": "1000"}})
    assert refused.value.problem.errors[0].loc == ["spec", "resources", "requests", "cpu"]
    with pytest.raises(Unprocessable) as refused:
        tasks.create("big", image="a", volume_mounts=[{"volumeId": "none", "mountPath": "/v"}])
    assert refused.value.problem.errors[0].loc == ["spec", "volumeMounts", 0, "volumeId"]
    for body in (
        {"name": "x"},
        {"name": "task_x", "spec": {"image": "a"}},
        {"name": "a/b", "spec": {"image": "a"}},
    ):
        assert daemon.http.post("/v1/tasks", json=body).status_code == 422
    with pytest.raises(InvalidSpec):
        tasks.create("nothing")
    assert tasks.list() == []


def test_an_edit_of_another_version_is_refused(daemon: Daemon) -> None:
    tasks = daemon.client.tasks
    tasks.create("edited", image="a")
    assert tasks.edit("edited", version=1, priority=1).version == 2
    with pytest.raises(Conflict, match="somebody else"):
        tasks.edit("edited", version=1, priority=2)
    assert tasks.get("edited").spec.wire() == {"image": "a", "priority": 1}
    wrong = daemon.http.patch("/v1/tasks/edited", json={"spec": {"resources": {"requests": {"cpu": "x"}}}})
    assert wrong.json()["errors"][0]["loc"] == ["spec", "resources", "requests", "cpu"]
    tasks.delete("edited")


def test_a_spec_that_is_refused_by_now_is_shown_and_mended_and_hides_no_other_task(daemon: Daemon) -> None:
    tasks = daemon.client.tasks
    broken = tasks.create("broken", webhook=True, env={"A": "b"}, **daemon.spec("true"))
    tasks.create("sound", **daemon.spec("true"))
    stored = broken.spec.wire() | {"shmSize": "much"}
    with closing(sqlite3.connect(daemon.directory / "data" / "runsd.db")) as db, db:
        db.execute("update task_versions set spec = ? where task_id = ?", (json.dumps(stored), broken.id))
    shown, sound = tasks.list()
    assert (sound.name, sound.problem) == ("sound", None)
    assert shown.spec == broken.spec and "shmSize is taken no more" in (shown.problem or "")
    assert [version.problem for version in tasks.versions("broken")] == [shown.problem]
    assert "shmSize is taken no more" in answer(daemon, "task", "show", "broken")
    for refused in (tasks.trigger, partial(tasks.edit, priority=1)):
        with pytest.raises(Unprocessable) as said:
            refused("broken")
        assert said.value.problem.errors[0].loc[-1] == "shmSize"
    assert isinstance(broken.webhook, NewHook)
    delivered = daemon.http.post(broken.webhook.path, content=b"")
    assert (delivered.status_code, delivered.json()["code"]) == (409, "task_refused")
    mended = tasks.edit("broken", shm_size="1Mi")
    assert (mended.problem, mended.version) == (None, 2)
    assert mended.spec.wire() == broken.spec.wire() | {"shmSize": "1Mi"}
    for name in ("broken", "sound"):
        assert tasks.trigger(name).wait(ENDED_S).exit_code == 0
        tasks.delete(name)


def test_the_command_saves_shows_runs_edits_and_forgets(daemon: Daemon) -> None:
    run = daemon.run("sh", "-c", "echo $1", "sh", "first")
    task = answer(daemon, "save", run.id, "--as", "daily").strip()
    assert runs(daemon, "save", run.id, "--as", "daily").returncode == 1
    assert task in answer(daemon, "task", "ls")
    assert "image: runsd/busybox:1" in answer(daemon, "task", "show", "daily")
    assert answer(daemon, "task", "run", "daily") == "first\n"
    assert (
        answer(daemon, "task", "edit", "daily", "--", "sh", "-c", "echo second; exit 3")
        == "daily version 2\n"
    )
    done = runs(daemon, "task", "run", "daily")
    assert (done.returncode, done.stdout) == (3, "second\n")
    id = answer(daemon, "task", "run", "-d", "daily", "-e", "A=b").strip()
    assert answer(daemon, "show", id).count(f"{task}, version 2") == 1
    assert runs(daemon, "wait", id).returncode == 3
    assert len(answer(daemon, "task", "versions", "daily").splitlines()) == 3
    assert runs(daemon, "task", "edit", "daily").returncode == 2
    answer(daemon, "task", "edit", "daily", "--rename", "weekly")
    assert [each["name"] for each in json.loads(answer(daemon, "task", "ls", "--json"))] == ["weekly"]
    assert answer(daemon, "task", "rm", "weekly") == "weekly\n"
    assert runs(daemon, "task", "show", "weekly").returncode == 3
    made = answer(daemon, "task", "create", "--as", "new", "-e", "X=y", daemon.image, "--", "env").strip()
    assert "X=y\n" in answer(daemon, "task", "run", made)
    answer(daemon, "task", "rm", "new")
