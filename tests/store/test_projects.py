"""Projects in the store: who may use which, and that nothing of one is found from another."""

import asyncio
import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from runsd_sdk.project import Member, ProjectLimits
from runsd_sdk.python import GitSource
from runsd_sdk.run import Run
from runsd_sdk.spec import RunSpec, VolumeSpec
from runsd_sdk.webhook import WebhookSpec

from runsd.admission import Resources
from runsd.errors import Conflicting, Full, Unknown
from runsd.store import listing
from runsd.store.listing import RunFilter
from runsd.store.projects import _FULL as FULL
from runsd.store.projects import Change, Projects
from runsd.store.runs import Submission
from runsd.store.secrets import Secrets
from runsd.store.usage import BEFORE, UsageTotal
from tests.store.attic import Attic, open_attic
from tests.store.desk import BEGAN, PROJECT, Desk

ALICE = Member(uid=1001, user="alice")
NUMBER = Member(uid=5000, user=None)


@pytest.fixture
async def projects(desk: Desk) -> Projects:
    return await Projects.load(desk.db, clock=desk.hands.now)


async def submitted(desk: Desk, project: str, **spec: object) -> Run:
    given = RunSpec.model_validate({"image": "alpine", **spec})
    return (await desk.runs.submit(Submission(project, [given]))).runs[0]


async def cancelled(desk: Desk, project: str, **spec: object) -> Run:
    return await desk.runs.cancel(project, (await submitted(desk, project, **spec)).id)


async def test_the_default_project_is_always_there(projects: Projects) -> None:
    assert [project.name for project in projects.all()] == [PROJECT]
    with pytest.raises(Conflicting, match="always exists"):
        await projects.delete(PROJECT)


async def test_members_are_known_at_once_and_after_a_restart(desk: Desk, projects: Projects) -> None:
    made = await projects.create("team", [ALICE, NUMBER, ALICE])
    assert made.members == [ALICE, NUMBER]
    await projects.create("other", [ALICE])
    assert projects.of_user(ALICE.uid) == {"team", "other"}
    await projects.change("team", Change(members=[NUMBER]))
    for each in (projects, await Projects.load(desk.db, clock=desk.hands.now)):
        assert each.of_user(ALICE.uid) == {"other"}
        assert each.get("team").members == [NUMBER]
        assert "team" in each


async def test_limits_are_kept_and_replaced_as_a_whole(desk: Desk, projects: Projects) -> None:
    await projects.create("team", [ALICE], limits=ProjectLimits(runs=3, cpu="2.5", memory="4Gi"))
    assert projects.limits("team").cpu_milli == 2500
    await projects.change("team", Change(limits=ProjectLimits(queued=7, monthly_usd="12.50")))
    for each in (projects, await Projects.load(desk.db, clock=desk.hands.now)):
        assert each.get("team").limits == ProjectLimits(queued=7, monthly_usd="12.50")
        assert each.get("team").members == [ALICE]
    assert projects.limits("gone") == ProjectLimits()


async def test_no_more_are_queued_than_the_limit_says_and_all_or_none(desk: Desk, projects: Projects) -> None:
    await projects.change(PROJECT, Change(limits=ProjectLimits(queued=2)))
    await desk.submit()
    with pytest.raises(Full, match=r"limits\.queued"):
        await desk.submit_all({}, {})
    assert await desk.attempts.queued() == 1
    second = await desk.submit()
    with pytest.raises(Full):
        await desk.submit()
    await desk.runs.cancel(PROJECT, second.id)
    await desk.submit()
    await projects.change(PROJECT, Change(limits=ProjectLimits()))
    await desk.submit_all(*[{}] * 5)


async def test_a_queue_that_nothing_limits_is_not_counted(desk: Desk, path: Path) -> None:
    def effort() -> int:
        steps = itertools.count()
        with closing(sqlite3.connect(path)) as db:
            db.set_progress_handler(lambda: next(steps) < 0, 1)
            assert db.execute(FULL, {"name": PROJECT, "more": 1}).fetchall() == []
        return next(steps)

    with_none = effort()
    await desk.submit_all(*[{}] * 100)
    assert effort() == with_none


async def test_each_project_has_its_own_line(desk: Desk, projects: Projects) -> None:
    await projects.create("team", [ALICE])
    mine = [(await desk.submit()).id for _ in range(3)]
    theirs = [(await submitted(desk, "team", priority=p)).id for p in (0, 9)]
    queues = await desk.attempts.waiting(2, within=Resources(64_000, 2**40))
    assert {name: [run.id for run in line] for name, line in queues.items()} == {
        PROJECT: mine[:2],
        "team": theirs[::-1],
    }
    places = [await desk.attempts.place(id) for id in (mine[0], mine[2], theirs[0])]
    assert [(place.ahead, place.others) for place in places] == [(0, True), (2, True), (1, True)]
    await desk.admit(theirs[0])
    assert [(each.project, each.holds.cpu_milli) for each in await desk.attempts.holding()] == [
        ("team", 1000)
    ]


async def test_a_projects_repository_is_set_and_taken_away(desk: Desk, projects: Projects) -> None:
    repository = GitSource(url="https://example.org/code.git", ref="main")
    await projects.create("team", [ALICE], repository=repository)
    await projects.change("team", Change(members=[NUMBER]))
    for each in (projects, await Projects.load(desk.db, clock=desk.hands.now)):
        assert (each.get("team").repository, each.get("team").members) == (repository, [NUMBER])
    await projects.change("team", Change(set_repository=True))
    assert (projects.get("team").repository, projects.get("team").members) == (None, [NUMBER])


async def test_a_name_is_one_project(projects: Projects) -> None:
    results = await asyncio.gather(
        *(projects.create("team", [ALICE]) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(each, Conflicting) for each in results].count(False) == 1


async def test_what_does_not_exist_is_neither_changed_nor_given_anything(
    desk: Desk, projects: Projects
) -> None:
    with pytest.raises(Unknown):
        await projects.change("team", Change(members=[]))
    with pytest.raises(Unknown):
        await projects.delete("team")
    with pytest.raises(Unknown):
        await submitted(desk, "team")
    with pytest.raises(Unknown):
        await desk.volumes.add("team", VolumeSpec(name="cache"))


async def test_what_comes_late_for_a_deleted_project_is_not_there_when_it_is_made_anew(
    tmp_path: Path,
) -> None:
    async with open_attic(tmp_path) as attic:
        desk, projects = attic.desk, attic.projects
        secrets = Secrets(desk.db, desk.keyring, clock=desk.hands.now)
        await projects.create("team", [ALICE])
        await projects.delete("team")
        for _ in range(2):  # while it is being forgotten, and after that
            with pytest.raises(Unknown):
                await secrets.set("team", "A", "correct horse")
            with pytest.raises(Unknown):
                await desk.webhooks.add("team", WebhookSpec(url="https://example.com/hook", events=["*"]))
            await attic.tidied()
        await projects.create("team", [])
        assert (await secrets.list("team"), await desk.webhooks.list("team")) == ([], [])


async def test_a_project_in_use_is_not_deleted(desk: Desk, projects: Projects) -> None:
    await projects.create("team", [])
    run = await submitted(desk, "team")
    with pytest.raises(Conflicting, match="runs that are not over; cancel them first"):
        await projects.delete("team")
    await desk.runs.cancel("team", run.id)
    volume = await desk.volumes.add("team", VolumeSpec(name="cache"))
    with pytest.raises(Conflicting, match="it has volumes; delete them first") as caught:
        await projects.delete("team")
    assert caught.value.code == "project_in_use"
    await desk.volumes.forget(volume)
    await projects.delete("team")
    assert "team" not in projects
    with pytest.raises(Unknown):
        await submitted(desk, "team")


async def test_two_projects_see_nothing_of_each_other(desk: Desk, projects: Projects) -> None:
    for name in ("ours", "theirs"):
        await projects.create(name, [])
        volume = await desk.volumes.add(name, VolumeSpec(name="cache"))
        await desk.volumes.keep(volume)
    run = await submitted(desk, "theirs", name="job", labels={"k": "v"}, volumeMounts=[mount("cache")])
    mine = await submitted(desk, "ours", volumeMounts=[mount("cache")])
    (of_theirs,) = await desk.volumes.list("theirs")
    assert run.spec.volume_mounts[0].volume_id == of_theirs.id != mine.spec.volume_mounts[0].volume_id
    for wanted in (RunFilter("ours", labels=[("k", "v")]), RunFilter("ours", name="job")):
        assert (await desk.runs.page(wanted)).data == []
    with pytest.raises(Unknown):
        await desk.volumes.get("ours", of_theirs.id)
    for touch in (desk.runs.get, desk.runs.cancel, desk.runs.forget):
        with pytest.raises(Unknown):
            await touch("ours", run.id)
    with pytest.raises(Unknown):
        await desk.runs.extend("ours", run.id, 5)
    assert {event.run_id for event in await desk.events.after("ours", 0)} == {mine.id}
    place = await desk.attempts.place(mine.id)
    assert (place.ahead, place.others) == (0, True)
    assert (await desk.attempts.queued(project="ours"), await desk.attempts.queued()) == (1, 2)
    await desk.admit(run.id)
    assert await desk.attempts.holding(project="ours") == []
    assert len(await desk.attempts.holding()) == 1


async def test_a_page_that_ends_early_names_no_run_of_another_project(
    desk: Desk, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_EXAMINED", 3)
    await projects.create("theirs", [])
    labels = {"k": "v", "l": "w"}
    own = {(await cancelled(desk, PROJECT, labels={"k": "v"})).id for _ in range(5)}
    for _ in range(5):
        await cancelled(desk, "theirs", labels=labels)
    page = await desk.runs.page(RunFilter(PROJECT, labels=[("k", "v"), ("k", "v")]))
    assert page.next_cursor in own
    page = await desk.runs.page(RunFilter(PROJECT, labels=list(labels.items())))
    assert (page.data, page.next_cursor) == ([], None)


async def test_a_project_made_anew_finds_nothing_of_before_but_its_usage(tmp_path: Path) -> None:
    async with open_attic(tmp_path) as attic:
        desk, projects = attic.desk, attic.projects
        await projects.create("team", [ALICE])
        kept = await attic.ended()
        gone = [(await cancelled(desk, "team", labels={"k": "v"})).id for _ in range(60)]
        await attic.write(gone[0], 1000)
        await repeated(desk)
        await projects.delete("team")
        assert "team" not in projects
        with pytest.raises(Conflicting, match="still being deleted"):
            await projects.create("team", [])
        await interrupted(attic)
        await attic.tidied()
        assert attic.sourceless == ["team"]
        assert (await attic.runs(), await attic.logged(), await attic.events()) == ({kept}, {kept}, {kept})
        assert (await desk.everything())["idempotency_keys"] == []
        made = await projects.create("team", [])
        assert (made.members, projects.of_user(ALICE.uid)) == ([], frozenset())


async def test_a_project_made_anew_has_the_old_usage_and_is_not_told_whose_it_was(tmp_path: Path) -> None:
    async with open_attic(tmp_path) as attic:
        desk, projects = attic.desk, attic.projects
        november = ("team", "2026-11-01", "2026-12-01")
        ids = []
        for label in ("hush", "known"):
            made = (await projects.create("team", [])).created_at
            ids.append(await billed(desk, label))
            ids.append(await billed(desk, label))
            groups = await desk.usage.groups(*november, by="label", label="k", made=made)
            if label == "hush":
                assert [(group.key, group.runs) for group in groups] == [("hush", 2)]
                await projects.delete("team")
                await attic.tidied()
                desk.hands.forward(1)
        assert groups == [UsageTotal(BEFORE, 2 * 10**9, 2), UsageTotal("known", 2 * 10**9, 2)]
        by_run = await desk.usage.groups(*november, by="run", made=made)
        assert [group.key for group in by_run] == [BEFORE, *ids[2:]]
        assert [group.runs for group in await desk.usage.groups(*november, by="day", made=made)] == [4]
        assert (await desk.usage.total(*november)).runs == 4


async def billed(desk: Desk, label: str) -> str:
    """Carry out a run of the project for a second."""
    spec = RunSpec(image="alpine", labels={"k": label})
    (run,) = (await desk.runs.submit(Submission("team", [spec]))).runs
    work = await desk.admit(run.id)
    await desk.attempts.started(work, desk.hands.now(), **BEGAN)
    assert await desk.attempts.finish(await desk.work(run.id), desk.ended(await desk.work(run.id)))
    return run.id


async def repeated(desk: Desk) -> None:
    """Submit with a key, twice: the second finds the first."""
    spec = RunSpec(image="alpine")
    for replayed in (False, True):
        accepted = await desk.runs.submit(Submission("team", [spec], "key", "print"))
        assert accepted.replayed is replayed
    await desk.runs.cancel("team", accepted.runs[0].id)


async def interrupted(attic: Attic) -> None:
    """Leave the deletion half done, as a crash does: some runs are gone, some are there."""
    some = await attic.projects.old_runs("team", 7)
    await attic.retention.mark_logs_deleted(some)
    await attic.retention.forget(some)
    assert await attic.projects.deleted() == "team"


def mount(volume: str) -> dict[str, str]:
    return {"volumeId": volume, "mountPath": "/data"}
