"""Cron expressions: the instants that they name. Pure.

cronsim reads an expression and says which times a clock on the wall shows. Which instants these are in a zone
is said here, as Debian's cron does it when clocks change: what is for an hour that is left out comes right
after the gap, what is for an hour that is repeated comes once; only what has a star for minute or hour goes
by real time. (cronsim's own answer misses times where clocks change by half an hour, and depends on when one
began to count.) Instants are microseconds since the epoch.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from runsd.clock import instant, micros

NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS: Final = 5
_HOUR_US: Final = 3600 * 1_000_000
# From an hour to fifty years, after which an expression counts as one that never comes.
_WINDOWS_US: Final = tuple(
    _HOUR_US * hours for hours in (1, 24, 24 * 32, 24 * 366, 24 * 366 * 10, 24 * 366 * 50)
)
# No clock is put back by more, but where a country changed its date.
_REPEAT_HOURS: Final = 3
_LAST: Final = datetime(9990, 1, 1)


class CronError(ValueError):
    """An expression or a time zone that says nothing; ``field`` is which of the two, the text the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check(cron: str, timezone: str, *, since_us: int) -> None:
    """Raise CronError for an expression that cannot be read or never comes, or an unknown zone."""
    if first(cron, timezone, since_us) is None:
        raise CronError("cron", f"{cron!r} never comes: there is no such day; correct it")


def after(cron: str, timezone: str, since_us: int) -> Iterator[int]:
    """Yield the instants after an instant, in order, without end or until none comes for fifty years.

    Raises CronError.
    """
    fields, zone = _fields(cron), _zone(timezone)
    minute, hour, *_ = fields.split()
    by_real_time = minute.startswith("*") or hour.startswith("*")
    last_us = since_us
    for at_us in _real_times(fields, zone, since_us) if by_real_time else _set_times(fields, zone, since_us):
        # Times of a gap come all at its end, where there may be one already; that is one instant.
        if at_us > last_us:
            last_us = at_us
            yield at_us


def first(cron: str, timezone: str, since_us: int) -> int | None:
    """Return the first instant after an instant, if there is one. Raises CronError."""
    return next(after(cron, timezone, since_us), None)


def upcoming(cron: str, timezone: str, since_us: int, count: int) -> list[int]:
    """Return the next instants. Raises CronError."""
    return list(islice(after(cron, timezone, since_us), count))


def between(cron: str, timezone: str, since_us: int, until_us: int) -> list[int]:
    """Return the instants after the one and not after the other. Raises CronError."""
    found = []
    for at_us in after(cron, timezone, since_us):
        if at_us > until_us:
            break
        found.append(at_us)
    return found


def last(cron: str, timezone: str, since_us: int, until_us: int) -> int | None:
    """Return the last instant after the one and not after the other, however far they are apart.

    Raises CronError.
    """
    for window_us in _WINDOWS_US:
        start_us = max(since_us, until_us - window_us)
        if found := between(cron, timezone, start_us, until_us):
            return found[-1]
        if start_us == since_us:
            break
    return None


def _set_times(fields: str, zone: tzinfo, since_us: int) -> Iterator[int]:
    """Yield an instant for each time: the first of two that it names, the end of the gap that it is in."""
    for wall in _walls(fields, instant(since_us).astimezone(zone)):
        shown = wall
        while not _exists(shown, zone):
            shown += timedelta(minutes=1)
        yield micros(shown.replace(tzinfo=zone))


def _real_times(fields: str, zone: tzinfo, since_us: int) -> Iterator[int]:
    """Yield every instant at which the wall shows one of the times: two for some, none for others."""
    begin = instant(since_us).astimezone(zone)
    earlier = instant(since_us - _REPEAT_HOURS * _HOUR_US).astimezone(zone)
    # Was the clock put back lately? Then times that it has shown are shown again.
    if _offset(earlier) > _offset(begin):
        begin -= timedelta(hours=_REPEAT_HOURS)
    second: list[int] = []
    for wall in _walls(fields, begin):
        if not _exists(wall, zone):
            continue
        at_us = micros(wall.replace(tzinfo=zone))
        while second and second[0] < at_us:
            yield heappop(second)
        yield at_us
        if (again_us := micros(wall.replace(tzinfo=zone, fold=1))) > at_us:
            heappush(second, again_us)


def _walls(fields: str, begin: datetime) -> Iterator[datetime]:
    """Yield what the clock on the wall shows at the times of an expression, later than at the beginning."""
    from cronsim import CronSim, CronSimError  # most daemons have no schedule

    try:
        times = CronSim(fields, begin.replace(tzinfo=None))
    except CronSimError as failure:
        said = str(failure).lower().replace("bad ", "its ")
        remedy = f"{fields!r} is not a cron expression ({said}); write minute hour day month weekday"
        raise CronError("cron", remedy) from failure
    for wall in times:
        if wall > _LAST:
            return
        yield wall


def _exists(wall: datetime, zone: tzinfo) -> bool:
    aware = wall.replace(tzinfo=zone)
    return aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall


def _offset(at: datetime) -> timedelta:
    return at.utcoffset() or timedelta()


def _fields(cron: str) -> str:
    fields = NICKNAMES.get(cron.strip().lower(), cron)
    if len(fields.split()) != _FIELDS:
        nicknames = ", ".join(NICKNAMES)
        said = f"{cron!r} has not five fields; write minute hour day month weekday, or {nicknames}"
        raise CronError("cron", said)
    return fields


def _zone(timezone: str) -> tzinfo:
    if timezone == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(timezone)
    except (OSError, ValueError, KeyError) as failure:  # a path, a name that is none, one that is unknown
        said = f"{timezone!r} is not a time zone of this host; write one as Europe/Berlin, or UTC"
        raise CronError("timezone", said) from failure
