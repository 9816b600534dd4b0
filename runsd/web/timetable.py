"""How a cron expression reads in English. Pure."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

from runsd.cron import NICKNAMES

_FIELDS: Final = 5
_ANY: Final = datetime(2000, 1, 1)
_MINUTES: Final = re.compile(r"\*/(?P<each>\d+) \* \* \* \*")
_HOURLY: Final = re.compile(r"(?P<minute>\d+) (?:\*|\*/(?P<each>\d+)) \* \* \*")


@lru_cache(1024)
def in_words(cron: str) -> str:
    """Return when an expression names a time, or the expression itself where no words are known for it."""
    fields = " ".join(NICKNAMES.get(cron.strip().lower(), cron).split())
    if len(fields.split()) != _FIELDS:
        return cron
    return _every_minutes(fields) or _every_hours(fields) or _explained(fields) or cron


def _every_minutes(fields: str) -> str | None:
    found = _MINUTES.fullmatch(fields)
    if found is None or not _parts(60, int(found["each"])):
        return None
    each = int(found["each"])
    return "Every minute" if each == 1 else f"Every {each} minutes"


def _every_hours(fields: str) -> str | None:
    found = _HOURLY.fullmatch(fields)
    minute, each = (int(found["minute"]), int(found["each"] or 1)) if found else (60, 0)
    if minute > 59 or not _parts(24, each):
        return None
    often = "Every hour" if each == 1 else f"Every {each} hours"
    past = f"{minute} minute{'s' if minute > 1 else ''} past" if minute else "on"
    return f"{often}, {past} the hour"


def _parts(whole: int, each: int) -> bool:
    """Say whether steps of so much go on evenly into the next hour or day."""
    return 0 < each < whole and whole % each == 0


def _explained(fields: str) -> str | None:
    from cronsim import CronSim, CronSimError  # most pages have no schedule

    try:
        return CronSim(fields, _ANY).explain()
    except CronSimError:
        return None
