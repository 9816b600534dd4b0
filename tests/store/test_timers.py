"""Timers on the wall clock, and what a step of it does to them: nothing."""

from dataclasses import replace

import pytest
from runsd_sdk.spec import Retries

from runsd.clock import instant
from runsd.store.ended import Ended
from runsd.store.timers import Reading, Timers
from tests.store.desk import BEGAN, FAILURE, SECOND, Desk

HOUR = 3600 * SECOND
READING = Reading("a boot", wall_us=10 * HOUR, since_boot_us=5 * HOUR)


@pytest.mark.parametrize("step", [-HOUR, 0, HOUR])
def test_a_step_is_what_the_wall_clock_went_more_than_the_other(step: int) -> None:
    later = replace(
        READING, wall_us=READING.wall_us + HOUR + step, since_boot_us=READING.since_boot_us + HOUR
    )
    assert later.stepped_us(READING) == step


def test_nothing_is_known_of_a_step_across_a_boot() -> None:
    assert Reading("another", wall_us=0, since_boot_us=0).stepped_us(READING) == 0


async def test_the_reading_to_which_the_timers_belong_is_kept(desk: Desk) -> None:
    timers = Timers(desk.db)
    assert await timers.last_reading() is None
    await timers.move(0, READING)
    assert await timers.last_reading() == READING


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_a_backoff_and_the_time_in_the_queue_move_with_the_clock(desk: Desk, step: int) -> None:
    waiting = await desk.submit(queue_ttl_seconds=60)
    failing = await desk.submit(retries=Retries(limit=1, on=["exited"]))
    work = await desk.admit(failing.id)
    due = desk.hands.now() + 20 * SECOND
    assert await desk.attempts.retry(work, Ended(FAILURE), not_before_us=due)
    desk.hands.us += step
    await Timers(desk.db).move(step, READING)
    assert await desk.attempts.expire() == []
    assert (await desk.attempts.place(failing.id)).not_before_us == due + step
    desk.hands.us += 61 * SECOND
    assert await desk.attempts.expire() == [waiting.id]


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_the_deadline_that_people_see_moves_and_what_was_is_as_it_was(desk: Desk, step: int) -> None:
    before, live = await desk.finished(), await desk.submit(timeout_seconds=90)
    now = desk.hands.now()
    await desk.attempts.started(await desk.admit(live.id), now, **BEGAN)
    await Timers(desk.db).move(step, READING)
    assert (await desk.get(live.id)).deadline_at == instant(now + 90 * SECOND + step)
    assert await desk.get(before.id) == before


async def test_the_boots_of_the_host_are_remembered_each_once(desk: Desk) -> None:
    timers = Timers(desk.db)
    assert await timers.boots(READING) == [5 * HOUR]
    later = replace(READING, wall_us=READING.wall_us + 2, since_boot_us=READING.since_boot_us + 1)
    assert await timers.boots(later) == [5 * HOUR]
    after_another = Reading("another boot", wall_us=20 * HOUR, since_boot_us=SECOND)
    assert await timers.boots(after_another) == [5 * HOUR, 20 * HOUR - SECOND]
