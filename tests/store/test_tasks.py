"""Tasks in the store: one of a name, versions that are kept, and edits that know what they edit."""

import asyncio
from typing import Any

import pytest
from runsd_sdk.spec import RunSpec, VolumeMount
from runsd_sdk.task import ScheduleSpec

from runsd.errors import Conflicting, NotNow, Refused, Unknown
from runsd.store import tasks as store
from runsd.store.idempotency import Key
from runsd.store.projects import Projects
from runsd.store.runs import Origin, Submission, TaskRef
from runsd.store.tasks import Tasks
from tests.store.desk import PROJECT, Desk

SPEC = RunSpec(image="alpine", command=["true"])
OTHER = RunSpec(image="alpine", command=["false"])


@pytest.fixture
def tasks(desk: Desk) -> Tasks:
    numbers = iter(range(1000))
    return Tasks(desk.db, clock=desk.hands.now, new_id=lambda prefix: f"{prefix}_{next(numbers):03}")


async def test_a_task_is_found_by_its_id_and_by_its_name_in_its_project(tasks: Tasks) -> None:
    made = (await tasks.create(PROJECT, "nightly", SPEC)).task
    assert (made.version, made.spec, made.name) == (1, SPEC, "nightly")
    assert await tasks.get(PROJECT, made.id) == await tasks.get(PROJECT, "nightly") == made
    assert await tasks.list("another") == []
    for name in (made.id, "nightly"):
        with pytest.raises(Unknown):
            await tasks.get("another", name)
        with pytest.raises(Unknown):
            await tasks.delete("another", name)


async def test_a_name_is_given_once_in_a_project(desk: Desk, tasks: Tasks) -> None:
    await (await Projects.load(desk.db, clock=desk.hands.now)).create("another", [])
    await tasks.create(PROJECT, "nightly", SPEC)
    await tasks.create("another", "nightly", SPEC)
    second = (await tasks.create(PROJECT, "hourly", SPEC)).task
    with pytest.raises(Conflicting, match="a task 'nightly' already"):
        await tasks.create(PROJECT, "nightly", OTHER)
    with pytest.raises(Conflicting, match="a task 'nightly' already"):
        await tasks.change(second, name="nightly")
    assert [task.name for task in await tasks.list(PROJECT)] == ["hourly", "nightly"]


async def test_a_repeated_request_makes_one_task(tasks: Tasks) -> None:
    key = Key("k", "this request")
    first, second = [await tasks.create(PROJECT, "nightly", SPEC, key=key) for _ in range(2)]
    assert (first.task, first.replayed, second.replayed) == (second.task, False, True)
    with pytest.raises(Conflicting, match="another body"):
        await tasks.create(PROJECT, "hourly", SPEC, key=Key("k", "another request"))
    await tasks.delete(PROJECT, "nightly")
    with pytest.raises(Conflicting, match="has been deleted"):
        await tasks.create(PROJECT, "nightly", SPEC, key=key)


async def test_another_spec_makes_a_version_and_the_same_or_a_name_does_not(tasks: Tasks) -> None:
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    task = await tasks.change(task, spec=OTHER)
    assert (task.version, task.spec) == (2, OTHER)
    task = await tasks.change(task, name="hourly", spec=OTHER)
    assert (task.version, task.name) == (2, "hourly")
    kept = await tasks.versions(PROJECT, "hourly")
    assert [(each.version, each.spec) for each in kept] == [(2, OTHER), (1, SPEC)]


async def test_of_two_edits_of_one_version_one_is_told_of_the_other(tasks: Tasks) -> None:
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    ended = await asyncio.gather(
        *(tasks.change(task, spec=RunSpec(image=image)) for image in ("one", "two")), return_exceptions=True
    )
    assert [type(each).__name__ for each in ended] == ["Task", "Conflicting"]
    assert [each.version for each in await tasks.versions(PROJECT, task.id)] == [2, 1]


async def test_an_unknown_volume_is_refused_when_it_is_said_and_leaves_nothing(tasks: Tasks) -> None:
    mounted = RunSpec(image="a", volume_mounts=[VolumeMount(volume_id="nothing", mount_path="/v")])
    with pytest.raises(Refused, match="a volume is unknown"):
        await tasks.create(PROJECT, "nightly", mounted)
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    with pytest.raises(Refused, match="a volume is unknown"):
        await tasks.change(task, spec=mounted)
    assert await tasks.list(PROJECT) == [task]


async def test_a_task_tells_its_newest_run(desk: Desk, tasks: Tasks) -> None:
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    await desk.runs.submit(Submission(PROJECT, [SPEC]))  # of no task
    for trigger in ("schedule", "manual"):
        of_it = Submission(PROJECT, [SPEC], origins=[Origin(task=TaskRef(task.id, 1))], trigger=trigger)
        (run,) = (await desk.runs.submit(of_it)).runs
    (task,) = await tasks.list(PROJECT)
    assert task.last_run is not None
    assert (task.last_run.id, task.last_run.trigger, task.last_run.phase) == (run.id, "manual", run.phase)
    assert task == await tasks.get(PROJECT, "nightly")


async def test_runs_and_their_bill_outlive_their_task(desk: Desk, tasks: Tasks) -> None:
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    of_it = Submission(PROJECT, [SPEC], origins=[Origin(task=TaskRef(task.id, 7))], trigger="manual")
    (run,) = (await desk.runs.submit(of_it)).runs
    assert (run.task, run.task_version, run.trigger) == (task.id, 7, "manual")
    await tasks.delete(PROJECT, task.id)
    assert await desk.runs.get(PROJECT, run.id) == run


async def test_a_project_has_so_many_tasks_and_their_specs_are_so_long(
    desk: Desk, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await Projects.load(desk.db, clock=desk.hands.now)).create("another", [])
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    monkeypatch.setattr(store, "MOST_TASKS", 1)
    with pytest.raises(Conflicting, match="the project has 1, and may have no more; delete some"):
        await tasks.create(PROJECT, "hourly", SPEC)
    await tasks.create("another", "hourly", SPEC)
    monkeypatch.setattr(store, "MOST_SPEC_BYTES", 1024)
    long = RunSpec(image="alpine", args=["é" * 500])
    with pytest.raises(Conflicting, match=r"more than 1\.0 KiB with all versions; delete some tasks"):
        await tasks.change(task, spec=long)
    assert await tasks.get(PROJECT, "nightly") == task
    assert len(await tasks.versions(PROJECT, "nightly")) == 1


async def test_old_versions_are_forgotten_unless_there_are_runs_of_them(
    desk: Desk, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_VERSIONS", 3)
    task = (await tasks.create(PROJECT, "nightly", SPEC)).task
    task = await tasks.change(task, spec=OTHER)
    of_it = Submission(PROJECT, [OTHER], origins=[Origin(task=TaskRef(task.id, 2))], trigger="manual")
    (run,) = (await desk.runs.submit(of_it)).runs
    for n in range(4):
        task = await tasks.change(task, spec=RunSpec(image=f"image{n}"))
    assert [each.version for each in await tasks.versions(PROJECT, task.id)] == [6, 5, 4, 2]
    await desk.runs.cancel(PROJECT, run.id)
    await desk.runs.forget(PROJECT, run.id)
    await tasks.change(task, spec=SPEC)
    assert [each.version for each in await tasks.versions(PROJECT, task.id)] == [7, 6, 5]


async def test_nothing_is_saved_where_there_is_no_room_but_a_task_is_paused(tasks: Tasks) -> None:
    def full() -> None:
        raise NotNow("the disk is full", code="disk")

    key = Key("k", "this request")
    task = (await tasks.create(PROJECT, "nightly", SPEC, key=key)).task
    assert (await tasks.create(PROJECT, "nightly", SPEC, key=key, check=full)).replayed
    daily = ScheduleSpec(cron="@daily")
    refused: tuple[dict[str, Any], ...] = ({"spec": OTHER}, {"schedule": daily})
    for change in refused:
        with pytest.raises(NotNow):
            await tasks.change(task, check=full, **change)
    with pytest.raises(NotNow):
        await tasks.create(PROJECT, "hourly", SPEC, check=full)
    assert await tasks.list(PROJECT) == [task]
    paused = await tasks.change(task, schedule=daily.model_copy(update={"paused": True}), check=full)
    assert paused.schedule is not None and paused.schedule.paused


async def test_what_was_sent_for_a_task_is_in_use_until_the_task_has_another(
    desk: Desk, tasks: Tasks
) -> None:
    upload = f"src_{1:032}"
    python = {"python": {"entrypoint": {"file": "a.py"}}, "source": {"upload": upload}}
    task = (await tasks.create(PROJECT, "nightly", RunSpec.model_validate(python))).task
    assert await desk.attempts.uploads([upload, f"src_{2:032}"]) == {upload}
    await tasks.change(task, spec=SPEC)
    assert not await desk.attempts.uploads([upload])
