"""Cron expressions over a year in five zones, held against a walk through it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd import cron
from runsd.clock import instant, micros

# Clocks change at two and at midnight, by an hour and by half of one, in March and in October, or never.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"]
QUARTER_US = 15 * 60 * 1_000_000
BEGIN = micros(datetime(2026, 1, 1, tzinfo=UTC))
END = micros(datetime(2027, 1, 1, tzinfo=UTC))
in_zones = pytest.mark.parametrize("zone", ZONES)


@cache
def walls(zone: str) -> list[tuple[int, datetime]]:
    """Return every quarter of an hour of the year, and what the wall shows at it."""
    place = ZoneInfo(zone)
    found = []
    for at_us in range(BEGIN, END, QUARTER_US):
        found.append((at_us, datetime.fromtimestamp(at_us // 1_000_000, place).replace(tzinfo=None, fold=0)))
    return found


def first_reached(zone: str, times: list[tuple[int, int]]) -> Iterator[int]:
    """Yield for each time of each day when the wall shows it first, or has just leapt over it."""
    reached: set[datetime] = set()
    for (_, before), (at_us, wall) in pairwise(walls(zone)):
        for hour, minute in times:
            for day in (before, wall):
                due = day.replace(hour=hour, minute=minute)
                if before < due <= wall and due not in reached:
                    reached.add(due)
                    yield at_us


@in_zones
@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("30 2 * * *", [(2, 30)]),
        ("15 0 * * *", [(0, 15)]),
        ("45 1 * * *", [(1, 45)]),
        ("0,30 2,3 * * *", [(2, 0), (2, 30), (3, 0), (3, 30)]),
    ],
)
def test_a_set_time_comes_once_a_day_also_on_days_of_23_and_25_hours(
    zone: str, expression: str, times: list[tuple[int, int]]
) -> None:
    assert cron.between(expression, zone, BEGIN, END - 1) == sorted(set(first_reached(zone, times)))


@in_zones
@pytest.mark.parametrize(
    ("expression", "hours", "minutes"),
    [
        ("*/30 * * * *", set(range(24)), {0, 30}),
        ("45 * * * *", set(range(24)), {45}),
        ("0 */2 * * *", set(range(0, 24, 2)), {0}),
        ("*/15 1 * * *", {1}, {0, 15, 30, 45}),
    ],
)
def test_what_has_a_star_goes_by_what_the_wall_shows_however_often(
    zone: str, expression: str, hours: set[int], minutes: set[int]
) -> None:
    shown = [at for at, wall in walls(zone) if wall.hour in hours and wall.minute in minutes and at > BEGIN]
    assert cron.between(expression, zone, BEGIN, END - 1) == shown


@pytest.mark.parametrize(
    ("zone", "expression", "day", "comes"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-29", ["03:00+02:00"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25", ["02:30+02:00"]),
        ("Europe/Berlin", "30 */2 * * *", "2026-10-25", ["00:30+02:00", "02:30+02:00", "02:30+01:00"]),
        ("Africa/Cairo", "0 0 * * *", "2026-04-24", ["01:00+03:00"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", ["01:45+11:00"]),
        ("Australia/Lord_Howe", "0 */2 * * *", "2026-04-05", ["00:00+11:00", "02:00+10:30"]),
    ],
)
def test_examples(zone: str, expression: str, day: str, comes: list[str]) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)) - timedelta(minutes=1)
    found = cron.upcoming(expression, zone, micros(begin), len(comes))
    assert [instant(us).astimezone(ZoneInfo(zone)).isoformat() for us in found] == [
        f"{day}T{time[:5]}:00{time[5:]}" for time in comes
    ]


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["30 2 * * *", "*/30 1,2 * * *", "5 0 * * *", "0 */2 * * 0"]),
    st.sampled_from(
        [datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 28), (4, 4), (10, 24), (10, 29))]
    ),
    st.integers(0, 3 * 24 * 3600 * 1_000_000),
)
def test_an_instant_does_not_depend_on_when_one_began_to_count(
    zone: str, expression: str, day: datetime, since: int
) -> None:
    begin = micros(day)
    until = begin + 4 * 24 * 3600 * 1_000_000
    known = [at for at in cron.between(expression, zone, begin, until) if at > begin + since]
    assert cron.between(expression, zone, begin + since, until) == known


@given(st.integers(BEGIN, END), st.integers(0, 400 * 24 * 3600))
def test_the_last_is_the_last(until: int, seconds: int) -> None:
    since = until - seconds * 1_000_000
    found = cron.between("30 2 1,15 * *", "Europe/Berlin", since, until)
    assert cron.last("30 2 1,15 * *", "Europe/Berlin", since, until) == (found[-1] if found else None)


@pytest.mark.parametrize(
    ("expression", "zone", "field", "said"),
    [
        ("* * * *", "UTC", "cron", "five fields"),
        ("* * * * * *", "UTC", "cron", "five fields"),
        ("61 * * * *", "UTC", "cron", "its minute"),
        ("* * 31 2 *", "UTC", "cron", "its day-of-month"),
        ("0 0 31 2 */2", "UTC", "cron", "its day-of-month"),
        ("@reboot", "UTC", "cron", "five fields"),
        ("@daily", "Europe/Nowhere", "timezone", "not a time zone"),
        ("@daily", "../../etc/passwd", "timezone", "not a time zone"),
        ("@daily", "Europe", "timezone", "not a time zone"),
        ("@daily", "zone.tab", "timezone", "not a time zone"),
        ("@daily", "x\0y", "timezone", "not a time zone"),
    ],
)
def test_what_says_nothing_is_refused_by_its_field(expression: str, zone: str, field: str, said: str) -> None:
    with pytest.raises(cron.CronError, match=said) as refused:
        cron.check(expression, zone, since_us=BEGIN)
    assert refused.value.field == field


@given(st.text(alphabet="0123456789*/,-#LW@ aMON", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = cron.upcoming(text, "Europe/Berlin", BEGIN, 3)
    except cron.CronError:
        return
    assert found == sorted(set(found)) and all(at > BEGIN for at in found)
