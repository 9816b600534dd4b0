"""Retention: what is over and old enough goes, in order, and nothing else; a crash leaves nothing behind."""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runsd_sdk.host import Volume
from runsd_sdk.spec import VolumeSpec

from runsd import faults
from runsd.faults import Step
from tests.store.attic import DAY_S, Attic, open_attic
from tests.store.desk import FAILURE, PROJECT, SECOND, Desk

MIB = 1024**2
STEPS = (Step.MARK_LOGS, Step.FORGET_LOGS, Step.FORGET, Step.FORGET_EVENTS, Step.FORGET_KEYS)
AGES = {"runs_days": 30.0, "logs_days": 10.0, "events_days": 20.0}


@pytest.fixture
async def attic(tmp_path: Path) -> AsyncIterator[Attic]:
    async with open_attic(tmp_path) as attic:
        yield attic


# Runs


async def test_ended_runs_over_age_are_forgotten_with_their_logs(attic: Attic) -> None:
    old = await attic.ended(labels={"fold": "1"}, retries={"limit": 1})
    attic.desk.hands.forward(20 * DAY_S)
    young = await attic.ended()
    attic.desk.hands.forward(11 * DAY_S)
    await attic.tidied(runs_days=30)
    assert await attic.runs() == {young}
    assert await attic.logged() == {young}
    for table in ("attempts", "run_labels", "run_volumes"):
        assert not await attic.desk.db.all(f"select * from {table} where run_id = '{old}'")
    assert (await attic.desk.told(old))[-1] == "run.deleted"


async def test_of_too_many_runs_the_oldest_are_forgotten(attic: Attic) -> None:
    runs = [await attic.ended() for _ in range(120)]
    await attic.tidied(max_runs=7)
    assert await attic.runs() == set(runs[-7:])
    assert await attic.logged() == set(runs[-7:])


async def test_a_run_that_is_not_over_is_never_touched(attic: Attic) -> None:
    desk = attic.desk
    queued = (await desk.submit()).id
    admitted = (await desk.admitted()).id
    running = (await desk.running()).id
    again = await desk.running(retries={"limit": 3})
    assert await desk.attempts.retry(
        again, desk.ended(again, outcome=FAILURE), not_before_us=desk.hands.now() + SECOND
    )
    live = {queued, admitted, running, again.id}
    for run_id in live:
        await attic.write(run_id, MIB)
    before = [await desk.get(run_id) for run_id in live], await attic.untouchable()
    desk.hands.forward(1000 * DAY_S)
    await attic.tidied(**AGES, max_runs=1, max_log_bytes=1, max_events=1)
    assert ([await desk.get(run_id) for run_id in live], await attic.untouchable()) == before
    assert await attic.logged() == live
    assert await attic.events() == live


async def test_the_bill_and_the_volumes_outlive_the_runs(attic: Attic) -> None:
    volume = await _volume(attic.desk)
    await attic.ended(volume_mounts=[{"volume_id": volume.id, "mount_path": "/data"}])
    before = await attic.untouchable()
    assert all(before)
    attic.desk.hands.forward(1000 * DAY_S)
    await attic.tidied(**AGES, max_runs=1, max_log_bytes=1, max_events=1)
    assert not await attic.runs()
    assert await attic.untouchable() == before


async def test_nothing_is_forgotten_where_there_is_no_limit(attic: Attic) -> None:
    run = await attic.ended()
    before = await attic.desk.everything()
    attic.desk.hands.forward(10_000 * DAY_S)
    await attic.tidied()
    assert await attic.desk.everything() == before
    assert await attic.logged() == {run}


# Logs


async def test_a_log_over_age_goes_and_the_run_says_so(attic: Attic) -> None:
    old = await attic.ended()
    attic.desk.hands.forward(11 * DAY_S)
    young = await attic.ended()
    await attic.tidied(logs_days=10)
    assert await attic.logged() == {young}
    run = await attic.desk.get(old)
    assert run.logs.truncated
    assert run.logs.deleted_at is not None
    assert (await attic.desk.get(young)).logs.deleted_at is None


async def test_of_too_much_output_the_oldest_goes_and_the_disk_gets_it_back(attic: Attic) -> None:
    runs = [await attic.ended(output=4 * MIB) for _ in range(10)]
    await attic.tidied(max_log_bytes=18 * MIB)
    assert await attic.logged() == set(runs)  # nobody has had the time to read them
    attic.desk.hands.forward(2 * 3600)
    file = Path(next(iter(await attic.book.db.all("pragma database_list")))["file"])
    before = file.stat().st_size
    attic.hurried.set()
    await attic.tidied(max_log_bytes=18 * MIB)
    assert await attic.logged() == set(runs[-4:])
    assert before > 36 * MIB
    assert file.stat().st_size < 20 * MIB


async def test_some_free_space_is_kept_for_what_comes_next(attic: Attic) -> None:
    for _ in range(10):
        await attic.ended(output=4 * MIB)
    attic.desk.hands.forward(2 * 3600)
    await attic.tidied(max_log_bytes=4 * MIB)
    space = await attic.book.db.space()
    assert space.used_bytes < 4 * MIB
    assert 15 * MIB < space.free_bytes <= 17 * MIB


# Events and keys


async def test_events_over_age_go_and_young_ones_stay(attic: Attic) -> None:
    old = await attic.ended()
    attic.desk.hands.forward(21 * DAY_S)
    young = await attic.ended()
    await attic.tidied(events_days=20)
    assert await attic.runs() == {old, young}
    assert await attic.events() == {young}


async def test_the_newest_events_are_kept(attic: Attic) -> None:
    for _ in range(300):
        await attic.ended(output=0)
    ids = [row["id"] for row in await attic.desk.db.all("select id from events order by id")]
    await attic.tidied(max_events=100)
    assert [row["id"] for row in await attic.desk.db.all("select id from events order by id")] == ids[-100:]


async def test_old_keys_are_forgotten(attic: Attic) -> None:
    await attic.desk.submit_all({}, key="old", fingerprint="x")
    attic.desk.hands.forward(DAY_S / 2)
    await attic.desk.submit_all({}, key="young", fingerprint="x")
    attic.desk.hands.forward(DAY_S / 2 + 1)
    await attic.tidied()
    assert [row["key"] for row in await attic.desk.db.all("select key from idempotency_keys")] == ["young"]


# Crashes


async def test_what_a_crash_left_behind_is_found(attic: Attic) -> None:
    kept, marked = await attic.ended(), await attic.ended()
    await attic.write("run_unknown", MIB)
    await attic.retention.mark_logs_deleted([marked])
    await attic.tidied()
    assert await attic.logged() == {kept}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_janitor_killed_at_any_step_leaves_nothing_unreachable(
    tmp_path: Path, step: Step, when: str
) -> None:
    async with open_attic(tmp_path) as attic:
        await attic.desk.submit_all({}, key="old", fingerprint="x")
        old = [await attic.ended() for _ in range(3)]
        attic.desk.hands.forward(25 * DAY_S)
        silent = await attic.ended()
        attic.desk.hands.forward(11 * DAY_S)
        young = await attic.ended()
        now, bill = attic.desk.hands.now(), await attic.untouchable()
        live = await attic.runs() - {*old, silent, young}
    assert await _killed(tmp_path, f"{when}:{step}", now)
    async with open_attic(tmp_path) as attic:
        attic.desk.hands.us = now
        for run_id in await attic.runs():  # in between, too: a log is whole, or the run says that it is not
            if (await attic.desk.get(run_id)).logs.deleted_at is None and run_id not in live:
                assert run_id in await attic.logged()
        await attic.tidied(**AGES)
        assert await attic.runs() == {silent, young} | live
        assert await attic.logged() == {young}
        assert await attic.untouchable() == bill


# Others meanwhile


async def test_others_hardly_wait_while_thousands_are_forgotten(attic: Attic) -> None:
    run = await attic.ended()
    await _copied(attic.desk, run, 5000)
    writing = asyncio.create_task(attic.tidied(max_runs=1))
    waits = []
    while not writing.done():
        begun = time.monotonic()
        await attic.desk.submit()
        waits.append(time.monotonic() - begun)
        await asyncio.sleep(0.001)
    await writing
    waits.sort()
    assert len(waits) > 50  # one lock for all would have let in a few
    assert waits[len(waits) * 99 // 100] < 1.0
    assert len(await attic.runs()) == 1 + len(waits)


async def _volume(desk: Desk) -> Volume:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="data"))
    await desk.volumes.keep(volume)
    return volume


async def _copied(desk: Desk, run_id: str, count: int) -> None:
    columns = [row["name"] for row in await desk.db.all("pragma table_info(runs)")]
    values = ["'run_' || printf('%06d', n)" if c == "id" else c for c in columns]

    def job(db: sqlite3.Connection) -> None:
        db.execute(
            "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :count)"
            f" insert into runs ({', '.join(columns)}) select {', '.join(values)} from numbers, runs"
            " where id = :id",
            {"id": run_id, "count": count},
        )
        db.execute("update runs set finished_us = finished_us - length(id) * 1000 where id <> ?", (run_id,))

    await desk.db.write(job, Step.CHANGE)


async def _killed(directory: Path, point: str, now: int) -> bool:
    """Let a process tidy up that dies at a point; say whether it did."""
    environment = {**os.environ, faults.VARIABLE: point}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.tidy", str(directory), str(now), env=environment
    )
    return await process.wait() == -signal.SIGKILL
