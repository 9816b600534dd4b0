"""Schedules over a real store and a clock that a test moves: every instant comes once, whatever happens."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from runsd_sdk.project import ProjectLimits
from runsd_sdk.run import Run
from runsd_sdk.spec import RunSpec, VolumeMount
from runsd_sdk.task import CatchUp, InstantOutcome, Overlap, Schedule, ScheduleSpec, Task

from runsd.clock import instant, micros
from runsd.errors import NotNow
from runsd.faults import Step
from runsd.metrics import Metrics
from runsd.schedule import GRACE_US, LARGE_STEP_US
from runsd.signals import Signals
from runsd.store.ended import Ended
from runsd.store.listing import RunFilter
from runsd.store.projects import Change, Projects
from runsd.store.schedules import Schedules
from runsd.store.tasks import Tasks
from runsd.store.timers import Reading, Timers
from runsd.supervise.clockwork import Clockwork
from tests.store.desk import FAILURE, PROJECT, SECOND, Desk

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
NOON = micros(datetime(2026, 6, 1, 12, tzinfo=UTC))
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"]
SPEC = RunSpec(image="alpine", command=["true"])
# What a stricter runsd may find in the database of a former one.
NO_SPECS = ['{"image": "Alpine"}', '{"image": "alpine", "formerly": 1}', '["alpine"]', "alpine"]


@dataclass
class Office:
    """A store with tasks, and a clockwork that may be another one at any time."""

    desk: Desk
    tasks: Tasks
    schedules: Schedules
    clockwork: Clockwork
    full: bool = False

    def restart(self) -> None:
        """Put a clockwork in the place of the one that there is, which knows nothing of it."""
        self.clockwork = self.another()

    def another(self) -> Clockwork:
        """Make a clockwork over the same store."""
        clock = self.desk.hands.now
        signals, metrics = Signals(), Metrics()
        return Clockwork(
            self.schedules, _as_it_is, check=self._check, metrics=metrics, signals=signals, clock=clock
        )

    def _check(self) -> None:
        if self.full:
            raise NotNow("the disk is full", code="disk")

    async def task(self, cron: str, *, spec: RunSpec = SPEC, name: str = "task", **more: Any) -> Task:
        """Make a task with a schedule."""
        timing = ScheduleSpec(cron=cron, **more)
        return (await self.tasks.create(PROJECT, name, spec, schedule=timing)).task

    async def at(self, us: int) -> None:
        """Let it be a time, and everything be done that is to be done."""
        self.desk.hands.us = us
        while await self.clockwork.turn():
            pass

    async def runs(self, task: Task) -> list[Run]:
        """Return all runs of a task, the oldest first."""
        wanted = RunFilter(PROJECT, task=task.id, limit=1000)
        return (await self.desk.runs.page(wanted)).data[::-1]

    async def came(self, task: Task) -> list[int]:
        """Return for which instants there are runs."""
        return [micros(run.scheduled_at) for run in await self.runs(task) if run.scheduled_at]

    async def seen(self, task: Task) -> Schedule:
        """Return what people see of a task's schedule."""
        schedule = (await self.tasks.get(PROJECT, task.id)).schedule
        assert schedule is not None
        return schedule

    async def outcomes(self, task: Task) -> list[InstantOutcome]:
        """Return what came of the last instants, the newest first."""
        return [each.outcome for each in (await self.seen(task)).recent]

    async def step(self, by_us: int) -> None:
        """Step the clock, as the timekeeper notices it."""
        self.desk.hands.us += by_us
        await Timers(self.desk.db).move(by_us, Reading("boot", self.desk.hands.us, 0))


async def _as_it_is(_: str, spec: RunSpec) -> RunSpec:
    return spec


@pytest.fixture
def office(desk: Desk) -> Office:
    desk.hands.us = NOON - MINUTE
    new_id: Callable[[str], str] = iter_ids()
    tasks = Tasks(desk.db, clock=desk.hands.now, new_id=new_id)
    schedules = Schedules(desk.db, desk.runs, clock=desk.hands.now)
    office = Office(desk, tasks, schedules, clockwork=None)  # type: ignore[arg-type]
    office.restart()
    return office


async def store_by_hand(desk: Desk, task: Task, spec: str) -> None:
    def job(db: sqlite3.Connection) -> None:
        db.execute("update task_versions set spec = ? where task_id = ?", (spec, task.id))

    await desk.db.write(job, Step.TASK)


def iter_ids() -> Callable[[str], str]:
    numbers = iter(range(1000))
    return lambda prefix: f"{prefix}_{next(numbers):03}"


async def test_over_a_year_in_five_zones_each_day_has_one_run_however_often_the_daemon_is_another(
    office: Office,
) -> None:
    office.desk.hands.us = begin = micros(datetime(2026, 1, 1, tzinfo=UTC))
    tasks = {
        zone: await office.task(
            "15 2 * * *", timezone=zone, name=zone.replace("/", "-"), overlap=Overlap.ALLOW
        )
        for zone in ZONES
    }
    end, turns = begin + 365 * 24 * HOUR, 0
    while (next_us := await office.schedules.next_us(office.desk.hands.us)) and next_us < end:
        await office.at(next_us + turns % 7 * SECOND)
        turns += 1
        if turns % 5 == 0:
            office.restart()
    for zone, task in tasks.items():
        place = ZoneInfo(zone)
        walls = [instant(us).astimezone(place).replace(tzinfo=None) for us in await office.came(task)]
        days = Counter(wall.date() for wall in walls)
        first = instant(begin).astimezone(place).date()
        assert len(days) == len(walls) in (365, 366), zone
        assert days.keys() <= {first + timedelta(days=n) for n in range(366)}
        odd = {str(wall) for wall in walls if (wall.hour, wall.minute) != (2, 15)}
        assert odd == ODD.get(zone, set()), zone


# Where 2:15 was left out; where it came twice it has come once all the same.
ODD = {
    "Europe/Berlin": {"2026-03-29 03:00:00"},
    "America/New_York": {"2026-03-08 03:00:00"},
    "Australia/Lord_Howe": {"2026-10-04 02:30:00"},
}


async def test_an_instant_is_decided_once_however_many_look_at_it(office: Office) -> None:
    task = await office.task("0 * * * *")
    office.desk.hands.us = NOON
    await asyncio.gather(*(office.another().turn() for _ in range(5)))
    office.restart()
    await office.at(NOON + MINUTE)
    (run,) = await office.runs(task)
    assert (run.scheduled_at, run.trigger, run.name) == (instant(NOON), "schedule", "task")
    assert [(each.at, each.run_id) for each in (await office.seen(task)).recent] == [(instant(NOON), run.id)]
    assert (await office.seen(task)).next == [instant(NOON + n * HOUR) for n in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize(("catch_up", "comes"), [(CatchUp.NONE, []), (CatchUp.LAST, [NOON + 3 * HOUR])])
async def test_what_came_in_an_outage(office: Office, catch_up: CatchUp, comes: list[int]) -> None:
    task = await office.task("0 * * * *", catch_up=catch_up)
    await office.at(NOON + 3 * HOUR + GRACE_US + MINUTE)
    assert await office.came(task) == comes
    await office.at(NOON + 4 * HOUR)
    assert len(await office.outcomes(task)) == len(comes) + 1


async def test_skip_leaves_out_what_comes_while_a_run_is_not_over(office: Office) -> None:
    task = await office.task("*/10 * * * *")
    await office.at(NOON)
    await office.at(NOON + 10 * MINUTE)
    (run,) = await office.runs(task)
    await office.desk.runs.cancel(PROJECT, run.id)
    await office.at(NOON + 20 * MINUTE)
    assert await office.came(task) == [NOON, NOON + 20 * MINUTE]
    skipped = (await office.seen(task)).recent[1]
    assert (skipped.outcome, skipped.message) == (InstantOutcome.SKIPPED, f"{run.id} was not over")


async def test_a_run_by_hand_is_in_nobodys_way(office: Office) -> None:
    task = await office.task("*/10 * * * *")
    await office.desk.submit_all({}, trigger="manual")
    await office.at(NOON)
    assert await office.came(task) == [NOON]


async def test_queue_starts_one_after_the_other(office: Office) -> None:
    task = await office.task("*/10 * * * *", overlap=Overlap.QUEUE)
    for n in range(3):
        await office.at(NOON + n * 10 * MINUTE)
    for n in range(3):
        runs = await office.runs(task)
        assert len(runs) == n + 1
        assert await office.schedules.in_the_way() == ([runs[-1].id] if n < 2 else [])
        await office.desk.runs.cancel(PROJECT, runs[-1].id)
        office.restart()
        await office.at(NOON + 21 * MINUTE)
    assert await office.came(task) == [NOON, NOON + 10 * MINUTE, NOON + 20 * MINUTE]
    assert set(await office.outcomes(task)) == {InstantOutcome.STARTED}


async def test_replace_ends_what_runs_and_starts_when_that_is_over(office: Office) -> None:
    task = await office.task("*/10 * * * *", overlap=Overlap.REPLACE)
    await office.at(NOON)
    (first,) = await office.runs(task)
    work = await office.desk.admit(first.id)
    await office.at(NOON + 10 * MINUTE)
    assert (await office.desk.get(first.id)).phase == "stopping"
    await office.at(NOON + 20 * MINUTE)
    assert len(await office.runs(task)) == 1
    assert await office.desk.attempts.finish(work, Ended(FAILURE))
    await office.at(NOON + 21 * MINUTE)
    assert await office.came(task) == [NOON, NOON + 20 * MINUTE]
    assert await office.outcomes(task) == [
        InstantOutcome.STARTED,
        InstantOutcome.SKIPPED,
        InstantOutcome.STARTED,
    ]


async def test_allow_starts_beside_others(office: Office) -> None:
    task = await office.task("*/10 * * * *", overlap=Overlap.ALLOW)
    for n in range(3):
        await office.at(NOON + n * 10 * MINUTE)
    assert len(await office.runs(task)) == 3


async def test_a_start_that_is_refused_is_told_and_the_next_is_tried(office: Office) -> None:
    volume = await office.desk.volume("data")
    mounted = SPEC.model_copy(update={"volume_mounts": [VolumeMount(volume_id="data", mount_path="/v")]})
    task = await office.task("0 * * * *", spec=mounted)
    await office.desk.volumes.discard(volume)
    await office.desk.volumes.forget(volume)
    await office.at(NOON)
    (refused,) = (await office.seen(task)).recent
    assert refused.outcome is InstantOutcome.REFUSED and "volume is unknown" in (refused.message or "")
    assert not await office.runs(task)
    await office.desk.volume("data")
    await office.at(NOON + HOUR)
    assert await office.came(task) == [NOON + HOUR]


async def test_a_start_for_which_its_project_has_no_room_is_told(office: Office) -> None:
    projects = await Projects.load(office.desk.db, clock=office.desk.hands.now)
    task = await office.task("0 * * * *")
    await projects.change(PROJECT, Change(limits=ProjectLimits(queued=0)))
    await office.at(NOON)
    (refused,) = (await office.seen(task)).recent
    assert refused.outcome is InstantOutcome.REFUSED and "limits.queued" in (refused.message or "")
    await projects.change(PROJECT, Change(limits=ProjectLimits()))
    await office.at(NOON + HOUR)
    assert await office.came(task) == [NOON + HOUR]


@pytest.mark.parametrize("stored", NO_SPECS)
async def test_a_spec_that_is_none_any_more_is_its_own_tasks_trouble_alone(
    office: Office, stored: str
) -> None:
    broken, sound = [await office.task("0 * * * *", name=name) for name in ("broken", "sound")]
    await store_by_hand(office.desk, broken, stored)
    await office.at(NOON)
    assert await office.came(sound) == [NOON]
    (refused,) = (await office.seen(broken)).recent
    assert refused.outcome is InstantOutcome.REFUSED
    assert "taken no more as it was saved" in (refused.message or "")
    assert refused.message == (await office.tasks.get(PROJECT, "broken")).problem
    await office.tasks.change(await office.tasks.get(PROJECT, "broken"), spec=SPEC)
    await office.at(NOON + HOUR)
    assert await office.came(broken) == [NOON + HOUR]


async def test_an_instant_that_waits_is_refused_when_its_spec_is_none_any_more(office: Office) -> None:
    task = await office.task("*/10 * * * *", overlap=Overlap.QUEUE)
    await office.at(NOON)
    await office.at(NOON + 10 * MINUTE)
    await store_by_hand(office.desk, task, NO_SPECS[0])
    (run,) = await office.runs(task)
    await office.desk.runs.cancel(PROJECT, run.id)
    await office.at(NOON + 11 * MINUTE)
    assert await office.outcomes(task) == [InstantOutcome.REFUSED, InstantOutcome.STARTED]


async def test_of_a_start_that_is_refused_nothing_is_left(office: Office) -> None:
    task = await office.task("0 * * * *", spec=RunSpec(image="a", secrets=["NONE"], labels={"k": "v"}))
    before = await office.desk.everything()
    await office.at(NOON)
    (refused,) = (await office.seen(task)).recent
    assert refused.outcome is InstantOutcome.REFUSED and "no secret 'NONE'" in (refused.message or "")
    after = await office.desk.everything()
    assert {name for name in after if after[name] != before[name]} == {"schedules", "schedule_instants"}


async def test_while_the_disk_is_full_nothing_is_decided(office: Office) -> None:
    task = await office.task("0 * * * *")
    office.full = True
    with pytest.raises(NotNow):
        await office.at(NOON)
    assert (await office.outcomes(task), await office.came(task)) == ([], [])
    office.full = False
    await office.at(NOON + MINUTE)
    assert await office.came(task) == [NOON]


async def test_a_step_on_leaves_nothing_out_and_a_step_back_repeats_nothing(office: Office) -> None:
    task = await office.task("0 12 * * *")
    await office.at(NOON - 30 * MINUTE)
    await office.step(HOUR)
    await office.at(office.desk.hands.us)
    assert await office.came(task) == [NOON]
    await office.step(-HOUR)
    for minutes in (0, 30, 60, 90):
        await office.at(NOON - 30 * MINUTE + minutes * MINUTE)
    office.restart()
    await office.at(NOON + HOUR)
    assert await office.came(task) == [NOON]
    assert (await office.seen(task)).next[0] == instant(NOON + 24 * HOUR)


async def test_a_clock_that_was_wrong_by_years_does_not_stop_a_schedule_when_it_is_put_right(
    office: Office,
) -> None:
    task = await office.task("0 * * * *", overlap=Overlap.ALLOW)
    await office.at(NOON)
    await office.step(far := 4 * 365 * 24 * HOUR + 30 * MINUTE)
    await office.at(office.desk.hands.us)
    await office.step(-far)
    for us in (NOON, NOON + HOUR):
        await office.at(us)
    assert await office.came(task) == [NOON, NOON + HOUR]
    assert far > LARGE_STEP_US


async def test_a_pause_ends_what_waits_and_what_comes_in_it_never_comes(office: Office) -> None:
    task = await office.task("0 * * * *", overlap=Overlap.QUEUE, catch_up=CatchUp.LAST)
    for n in range(2):
        await office.at(NOON + n * HOUR)
    await change(office, task, paused=True)
    assert (await office.seen(task)).next == []
    assert await office.outcomes(task) == [InstantOutcome.SKIPPED, InstantOutcome.STARTED]
    await office.desk.runs.cancel(PROJECT, (await office.runs(task))[0].id)
    await office.at(NOON + 4 * HOUR + MINUTE)
    await change(office, task, paused=False)
    await office.at(NOON + 4 * HOUR + 2 * MINUTE)
    assert await office.came(task) == [NOON]
    await office.at(NOON + 5 * HOUR)
    assert await office.came(task) == [NOON, NOON + 5 * HOUR]


async def test_another_manner_keeps_what_is_due_and_another_time_begins_anew(office: Office) -> None:
    task = await office.task("0 * * * *")
    office.desk.hands.us = NOON + SECOND
    await change(office, task, overlap=Overlap.ALLOW)
    await office.at(NOON + 2 * SECOND)
    assert await office.came(task) == [NOON]
    office.desk.hands.us = NOON + HOUR + SECOND
    await change(office, task, cron="30 * * * *")
    await office.at(NOON + HOUR + MINUTE)
    await office.at(NOON + HOUR + 30 * MINUTE)
    assert await office.came(task) == [NOON, NOON + HOUR + 30 * MINUTE]


async def test_a_new_version_and_the_end_of_a_schedule_hold_from_then_on(office: Office) -> None:
    task = await office.task("0 * * * *", overlap=Overlap.ALLOW)
    await office.at(NOON)
    changed = await office.tasks.change(task, spec=RunSpec(image="other"))
    await office.at(NOON + HOUR)
    await office.tasks.change(changed, unscheduled=True)
    await office.at(NOON + 2 * HOUR)
    runs = await office.runs(task)
    assert [(run.spec.image, run.task_version) for run in runs] == [("alpine", 1), ("other", 2)]
    assert (await office.tasks.get(PROJECT, task.id)).schedule is None
    await office.tasks.delete(PROJECT, task.id)
    await office.at(NOON + 3 * HOUR)


async def change(office: Office, task: Task, **more: Any) -> None:
    seen = await office.seen(task)
    timing = ScheduleSpec(
        cron=seen.cron,
        timezone=seen.timezone,
        overlap=seen.overlap,
        catch_up=seen.catch_up,
        paused=seen.paused,
    )
    await office.tasks.change(task, schedule=timing.model_copy(update=more))
