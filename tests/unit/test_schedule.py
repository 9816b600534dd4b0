"""What becomes of instants: on time, late, jumped over by a step of the clock; and of those that overlap."""

from datetime import UTC, datetime

import pytest
from runsd_sdk.task import CatchUp, Overlap

from runsd.clock import micros
from runsd.schedule import GRACE_US, LARGE_STEP_US, MOST_WAITING, Move, Timing, due, move, settled_us

MINUTE = 60 * 1_000_000
HOUR = 60 * MINUTE
NOON = micros(datetime(2026, 6, 1, 12, tzinfo=UTC))
HALF_PAST = NOON + 30 * MINUTE


def timing(cron: str = "*/30 * * * *", catch_up: CatchUp = CatchUp.NONE) -> Timing:
    return Timing(cron, "UTC", Overlap.SKIP, catch_up)


def test_an_instant_is_due_from_when_it_comes_until_it_is_decided() -> None:
    assert due(timing(), through_us=NOON, present_us=HALF_PAST - 1) == []
    assert due(timing(), through_us=NOON, present_us=HALF_PAST) == [HALF_PAST]
    assert due(timing(), through_us=HALF_PAST, present_us=HALF_PAST + 1) == []


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_restart_makes_nothing_late_and_leaves_nothing_out(catch_up: CatchUp) -> None:
    every_minute = timing("* * * * *", catch_up)
    found = due(every_minute, through_us=NOON, present_us=NOON + GRACE_US - 1)
    assert found == [NOON + n * MINUTE for n in (1, 2, 3, 4)]


def test_after_an_outage_nothing_is_made_up_for_or_the_last() -> None:
    now = NOON + 45 * MINUTE
    assert due(timing(), through_us=NOON - 5 * HOUR, present_us=now) == []
    assert due(timing(catch_up=CatchUp.LAST), through_us=NOON - 5 * HOUR, present_us=now) == [HALF_PAST]
    assert due(timing(catch_up=CatchUp.LAST), through_us=HALF_PAST, present_us=now) == []


def test_what_is_on_time_stands_for_what_is_late() -> None:
    now = HALF_PAST + MINUTE
    assert due(timing(catch_up=CatchUp.LAST), through_us=NOON - 5 * HOUR, present_us=now) == [HALF_PAST]


def test_of_what_a_step_has_jumped_over_the_last_comes_and_of_an_outage_before_it_nothing() -> None:
    daily = timing("0 12 * * *")
    after = {"present_us": NOON + 50 * MINUTE, "jumped_us": NOON - 10 * MINUTE}
    assert due(daily, through_us=NOON - 5 * HOUR, **after) == [NOON]
    assert due(daily, through_us=NOON, **after) == []
    assert due(timing("0 9 * * *"), through_us=NOON - 5 * HOUR, **after) == []


def test_a_clock_that_is_put_back_shows_nothing_anew_unless_it_was_wrong_altogether() -> None:
    assert settled_us(NOON, NOON + 5) == NOON + 5
    assert settled_us(NOON, NOON - LARGE_STEP_US) == NOON
    assert settled_us(NOON, NOON - LARGE_STEP_US - 1) == NOON - LARGE_STEP_US - 1
    assert due(timing(), through_us=NOON, present_us=NOON - HOUR) == []


@pytest.mark.parametrize(
    ("overlap", "live", "waiting", "moved"),
    [
        *((overlap, 0, 0, Move.START) for overlap in Overlap),
        (Overlap.ALLOW, 5, 5, Move.START),
        (Overlap.SKIP, 1, 0, Move.SKIP),
        (Overlap.QUEUE, 1, 0, Move.WAIT),
        (Overlap.QUEUE, 0, 1, Move.WAIT),
        (Overlap.QUEUE, 1, MOST_WAITING, Move.SKIP),
        (Overlap.REPLACE, 1, 0, Move.REPLACE),
        (Overlap.REPLACE, 0, 1, Move.REPLACE),
    ],
)
def test_overlap(overlap: Overlap, live: int, waiting: int, moved: Move) -> None:
    assert move(overlap, live=live, waiting=waiting) is moved
