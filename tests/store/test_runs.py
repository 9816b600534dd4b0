"""Runs in the store: accepted once, found again, changed and forgotten as their owners ask."""

import asyncio
from typing import Any

import pytest
from runsd_sdk.run import Phase, Reason, Run, Status
from runsd_sdk.spec import RunSpec, VolumeMount

from runsd.clock import instant
from runsd.errors import Conflicting, Refused, Unknown
from runsd.store.listing import RunFilter
from runsd.store.runs import Accepted, Submission
from tests.store.desk import BEGAN, PROJECT, SECOND, Desk

DAY_S = 24 * 3600


async def listed(desk: Desk, **wanted: Any) -> list[str]:
    return [run.id for run in (await desk.runs.page(RunFilter(PROJECT, **wanted))).data]


async def test_an_accepted_run_reads_as_it_was_said(desk: Desk) -> None:
    run = await desk.submit(name="fold", labels={"k": "v"}, env={"A": "1"}, timeout_seconds=5)
    assert (run.status, run.phase, run.attempt, run.project) == (Status.PENDING, Phase.QUEUED, 0, PROJECT)
    assert (run.name, run.labels) == ("fold", {"k": "v"})
    assert (run.spec.env, run.spec.timeout_seconds) == ({"A": "1"}, 5)
    assert run.created_at.tzinfo is not None
    assert (run.started_at, run.reason, run.usage.cost_usd) == (None, None, "0")
    read = await desk.get(run.id)
    assert (read, read.model_dump_json()) == (run, run.model_dump_json())
    assert await desk.told(run.id) == ["run.submitted"]


async def test_a_run_of_another_project_is_unknown(desk: Desk) -> None:
    run = await desk.submit()
    with pytest.raises(Unknown, match=run.id):
        await desk.runs.get("other", run.id)
    with pytest.raises(Unknown, match="list them with GET /v1/runs"):
        await desk.runs.get(PROJECT, "run_none")
    for change in (
        desk.runs.cancel("other", run.id),
        desk.runs.extend("other", run.id, 9),
        desk.runs.relabel("other", run.id, {}),
        desk.runs.forget("other", run.id),
    ):
        with pytest.raises(Unknown):
            await change
    assert await desk.get(run.id) == run


# Idempotency


async def keyed(desk: Desk, fingerprint: str = "f", key: str = "k", **spec: Any) -> Accepted:
    specs = [RunSpec(**{"image": "alpine", **spec})]
    return await desk.runs.submit(Submission(PROJECT, specs, key, fingerprint))


async def test_the_same_key_answers_the_same_run(desk: Desk) -> None:
    first = await keyed(desk)
    again = await keyed(desk)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.runs == first.runs
    assert len(await listed(desk)) == 1


async def test_a_repetition_answers_the_run_as_it_is_now(desk: Desk) -> None:
    run = (await keyed(desk)).runs[0]
    await desk.runs.cancel(PROJECT, run.id)
    assert (await keyed(desk)).runs[0].status is Status.CANCELLED


async def test_a_repetition_after_the_run_was_deleted_makes_no_second(desk: Desk) -> None:
    run = (await keyed(desk)).runs[0]
    await desk.runs.cancel(PROJECT, run.id)
    await desk.runs.forget(PROJECT, run.id)
    again = await keyed(desk)
    assert (again.replayed, again.runs) == (True, [])
    assert await listed(desk) == []


async def test_the_same_key_for_another_request_is_a_conflict(desk: Desk) -> None:
    await keyed(desk)
    before = await desk.everything()
    with pytest.raises(Conflicting, match="send a fresh key") as caught:
        await keyed(desk, "other")
    assert caught.value.code == "idempotency_conflict"
    assert await desk.everything() == before


async def test_another_key_and_no_key_make_more_runs(desk: Desk) -> None:
    await keyed(desk)
    await keyed(desk, key="l")
    await desk.submit()
    await desk.submit()
    assert len(await listed(desk)) == 4


async def test_a_key_is_forgotten_after_a_day(desk: Desk) -> None:
    await keyed(desk)
    desk.hands.forward(DAY_S - 1)
    assert (await keyed(desk)).replayed
    desk.hands.forward(2)
    assert not (await keyed(desk, "other")).replayed
    assert (await keyed(desk, "other")).replayed


async def test_twenty_repetitions_at_once_make_one_run(desk: Desk) -> None:
    accepted = await asyncio.gather(*(keyed(desk) for _ in range(20)))
    assert len({one.runs[0].id for one in accepted}) == 1
    assert sum(not one.replayed for one in accepted) == 1


# Batches


async def test_a_batch_is_accepted_in_order(desk: Desk) -> None:
    runs = await desk.submit_all({"name": "a"}, {"name": "b"}, {"name": "c"})
    assert [run.name for run in runs] == ["a", "b", "c"]
    assert [run.id for run in runs] == sorted(run.id for run in runs)


async def test_a_batch_with_one_unknown_volume_leaves_nothing_behind(desk: Desk) -> None:
    mount = VolumeMount(volume_id="nowhere", mount_path="/data")
    before = await desk.everything()
    with pytest.raises(Refused) as caught:
        await desk.submit_all({}, {"volume_mounts": [mount]}, key="k", fingerprint="f", one=False)
    assert [loc for loc, _ in caught.value.errors] == [("runs", 1, "volumeMounts", 0, "volumeId")]
    assert await desk.everything() == before


async def test_a_volume_is_stored_by_its_id_whichever_way_it_was_named(desk: Desk) -> None:
    volume = await desk.volume("cache")
    for named in ("cache", volume.id):
        run = await desk.submit(volume_mounts=[VolumeMount(volume_id=named, mount_path="/data")])
        assert run.spec.volume_mounts[0].volume_id == volume.id
    with pytest.raises(Refused) as caught:
        await desk.submit(volume_mounts=[VolumeMount(volume_id="nowhere", mount_path="/data")])
    assert caught.value.errors[0][0] == ("volumeMounts", 0, "volumeId")
    assert "POST /v1/volumes" in caught.value.errors[0][1]


# Lists


async def many(desk: Desk) -> list[Run]:
    made = []
    for n in range(6):
        made.append(await desk.submit(name=f"n{n % 2}", labels={"even": str(n % 2 == 0), "n": str(n)}))
        desk.hands.forward(10)
    await desk.runs.cancel(PROJECT, made[0].id)
    await desk.runs.cancel(PROJECT, made[1].id)
    return made


async def test_runs_are_listed_newest_first_page_by_page(desk: Desk) -> None:
    made = [run.id for run in await many(desk)]
    found: list[str] = []
    cursor = None
    for size in (2, 2, 2):
        page = await desk.runs.page(RunFilter(PROJECT, limit=2, cursor=cursor))
        assert len(page.data) == size
        found += [run.id for run in page.data]
        cursor = page.next_cursor
    assert cursor is None  # the last page is full and says that there is no other
    assert found == made[::-1]


async def test_runs_are_found_by_every_filter_and_by_all_together(desk: Desk) -> None:
    made = [run.id for run in await many(desk)]
    created = [(await desk.get(id)).created_at for id in made]
    cancelled, pending = [Status.CANCELLED], [Status.PENDING, Status.RUNNING]
    assert await listed(desk, statuses=cancelled) == [made[1], made[0]]
    assert await listed(desk, statuses=pending) == made[:1:-1]
    assert await listed(desk, name="n1") == [made[5], made[3], made[1]]
    assert await listed(desk, labels=[("n", "3")]) == [made[3]]
    assert await listed(desk, labels=[("even", "True"), ("n", "3")]) == []
    assert await listed(desk, labels=[("even", "True")], statuses=pending) == [made[4], made[2]]
    after_us = int(created[3].timestamp() * SECOND)
    assert await listed(desk, created_after_us=after_us) == [made[5], made[4]]
    assert await listed(desk, task="nightly") == []
    assert [run.id for run in (await desk.runs.page(RunFilter("other"))).data] == []


@pytest.mark.parametrize("text", ["", "'", "a' or '1'='1", "%", "_", "\0", "ü"])
async def test_filters_are_values_and_never_sql(text: str, desk: Desk) -> None:
    await many(desk)
    assert await listed(desk, name=text) == []
    assert await listed(desk, labels=[(text, text), ("even", "True")]) == []
    assert await listed(desk, cursor="") == []


# Changes


async def test_labels_are_replaced_also_in_the_filter_whatever_the_state(desk: Desk) -> None:
    run = await desk.finished(labels={"a": "1", "b": "2"})
    changed = await desk.runs.relabel(PROJECT, run.id, {"b": "3", "c": "4"})
    assert changed.spec.labels == {"b": "3", "c": "4"}  # a rerun has them too
    assert changed.labels == {"b": "3", "c": "4"}
    assert await listed(desk, labels=[("a", "1")]) == []
    assert await listed(desk, labels=[("b", "2")]) == []
    assert await listed(desk, labels=[("b", "3"), ("c", "4")]) == [run.id]
    assert (await desk.told(run.id))[-1] == "run.relabelled"


async def test_a_deadline_moves_with_the_timeout_of_a_running_run(desk: Desk) -> None:
    work = await desk.running(timeout_seconds=60)
    assert work.started_us is not None
    changed = await desk.runs.extend(PROJECT, work.id, 600)
    assert changed.spec.timeout_seconds == 600
    assert changed.deadline_at == instant(work.started_us + 600 * SECOND)
    assert (await desk.work(work.id)).spec.timeout_seconds == 600
    assert (await desk.told(work.id))[-1] == "run.extended"


async def test_a_queued_run_starts_with_the_timeout_it_was_given_last(desk: Desk) -> None:
    run = await desk.submit(timeout_seconds=60)
    assert (await desk.runs.extend(PROJECT, run.id, 90)).deadline_at is None
    work = await desk.admit(run.id)
    now = desk.hands.now()
    await desk.attempts.started(work, now, **BEGAN)
    assert (await desk.get(run.id)).deadline_at == instant(now + 90 * SECOND)


async def test_a_deadline_that_was_moved_in_time_stops_nothing(desk: Desk) -> None:
    before = await desk.running(timeout_seconds=60)
    await desk.runs.extend(PROJECT, before.id, 600)
    assert not await desk.attempts.stop(before, Reason.DEADLINE_EXCEEDED)
    assert (await desk.get(before.id)).phase is Phase.RUNNING
    assert await desk.attempts.stop(await desk.work(before.id), Reason.DEADLINE_EXCEEDED)


async def test_a_run_that_ends_or_has_ended_is_not_extended(desk: Desk) -> None:
    work = await desk.running()
    await desk.runs.cancel(PROJECT, work.id)
    over = await desk.finished()
    before = await desk.everything()
    with pytest.raises(Conflicting, match="it is stopping"):
        await desk.runs.extend(PROJECT, work.id, 90)
    with pytest.raises(Conflicting, match="it is finished"):
        await desk.runs.extend(PROJECT, over.id, 90)
    assert await desk.everything() == before


async def test_a_live_run_is_not_forgotten(desk: Desk) -> None:
    for run_id in ((await desk.submit()).id, (await desk.running()).id):
        before = await desk.everything()
        with pytest.raises(Conflicting, match="cancel it first"):
            await desk.runs.forget(PROJECT, run_id)
        assert await desk.everything() == before


async def test_a_forgotten_run_leaves_its_bill_and_its_events(desk: Desk) -> None:
    run = await desk.finished(labels={"k": "v"}, name="n")
    await desk.runs.forget(PROJECT, run.id)
    with pytest.raises(Unknown):
        await desk.get(run.id)
    left = await desk.everything()
    for table in ("runs", "attempts", "run_labels", "run_volumes"):
        assert left[table] == []
    assert [line[0] for line in left["usage_lines"]] == [run.id]
    assert (await desk.told(run.id))[-1] == "run.deleted"
    assert (await desk.usage.total(PROJECT, "2026-11-01", "2026-12-01")).runs == 1


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["fold-8", "fold-9", "fold-10"], "fold"),
        (["fold-10", "fold-11"], "fold"),
        (["fold8", "fold9"], "fold"),
        (["same", "same"], "same"),
        (["train lr=0.1", "train lr=0.2"], "train lr"),
        (["a", "b"], None),
        (["named", None], None),
        ([None, None], None),
    ],
)
async def test_a_batch_has_the_name_that_its_runs_have_in_common(
    desk: Desk, names: list[str | None], common: str | None
) -> None:
    made = await desk.submit_all(*({"name": name} for name in names))
    assert (await desk.runs.batch(PROJECT, made[0].id)).name == common


async def test_a_batch_costs_what_its_runs_cost(desk: Desk) -> None:
    run = await desk.finished()
    state = await desk.runs.batch(PROJECT, run.id)
    usage = (await desk.get(run.id)).usage
    assert usage.vcpu_seconds > 0
    assert (state.vcpu_seconds, state.cost_usd) == (usage.vcpu_seconds, usage.cost_usd)


async def test_a_batch_is_what_was_submitted_together_however_it_has_gone(desk: Desk) -> None:
    before = await desk.submit()
    made = await desk.submit_all(*({"labels": {"n": str(n)}} for n in range(4)))
    after = await desk.submit()
    first, last = made[0].id, made[-1].id
    for run in made[:2]:
        await desk.runs.cancel(PROJECT, run.id)
    state = await desk.runs.batch(PROJECT, made[2].id)
    assert (state.id, state.last_id, state.size, state.over, state.finished_at) == (first, last, 4, 2, None)
    assert {status: n for status, n in state.counts.items() if n} == {Status.CANCELLED: 2, Status.PENDING: 2}
    assert await listed(desk, among=(first, last)) == [run.id for run in made[::-1]]
    assert await listed(desk, among=(first, last), statuses=[Status.CANCELLED]) == [made[1].id, made[0].id]
    assert await listed(desk, among=(first, last), labels=[("n", "3")], cursor=last) == []
    for run in made[2:]:
        await desk.runs.cancel(PROJECT, run.id)
    await desk.runs.forget(PROJECT, first)
    ended = await desk.runs.batch(PROJECT, last)
    assert (ended.size, ended.over, ended.id) == (3, 3, made[1].id)
    assert ended.finished_at == (await desk.get(last)).finished_at
    assert await desk.runs.batch(PROJECT, first) == ended
    for single in (before, after):
        assert (await desk.runs.batch(PROJECT, single.id)).size == 1
    await desk.runs.cancel(PROJECT, before.id)
    for gone in (before, *made[1:]):
        await desk.runs.forget(PROJECT, gone.id)
    for project, id in ((PROJECT, first), (PROJECT, last), (PROJECT, before.id), ("other", after.id)):
        with pytest.raises(Unknown):
            await desk.runs.batch(project, id)
