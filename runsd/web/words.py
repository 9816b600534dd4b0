"""How values read on a page: durations, sizes, money, states. Pure."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from runsd_sdk.run import Run
from runsd_sdk.task import Task, TaskRun
from runsd_sdk.wire import format_instant

from runsd.web.copying import copied
from runsd.web.timetable import in_words

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP: Final = 1024
_MOST_WRITTEN: Final = 1e15
_LEAST_WRITTEN: Final = 1e-9
_LONG_JSON: Final = 64 * 1024


def duration(seconds: float | None) -> str:
    """Return a duration as people write it: ``0.42 s``, ``12.3 s``, ``4 m 05 s``, ``2 h 03 m``."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size(count: float | None) -> str:
    """Return a number of bytes with a unit, powers of 1024."""
    if count is None:
        return "-"
    unit = 0
    while abs(count) >= _STEP and unit < len(_UNITS) - 1:
        count, unit = count / _STEP, unit + 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def money(usd: str | Decimal) -> str:
    """Return dollars: cents where that is enough, else as many digits as tell something."""
    value = Decimal(usd)
    if value == 0:
        return "$0"
    if abs(value) >= Decimal("0.1"):
        return f"${value:,.2f}"
    return f"${value:.{max(2, 1 - value.adjusted())}f}"


def growing(usd: Decimal) -> str:
    """Return dollars that grow while one looks: as many digits all the time, unless they are few."""
    if usd >= Decimal("0.1"):
        return money(usd)
    return "< $0.0001" if 0 < usd < Decimal("0.0001") else f"${usd:.4f}"


def number(value: float | None) -> str:
    """Return a number with its thousands apart, and no more digits than tell something."""
    if value is None or isinstance(value, int):
        return "-" if value is None else f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    much, short = abs(value), f"{value:.3g}"
    if much >= _MOST_WRITTEN or 0 < much < _LEAST_WRITTEN:
        return short
    return f"{value:,.0f}" if much >= 999.5 or value == int(value) else f"{Decimal(short):f}"


def cores(milli: int) -> str:
    """Return thousandths of a core as cores."""
    return f"{milli / 1000:g}"


def exact(instant: datetime) -> str:
    """Return an instant as machines read it."""
    return format_instant(instant)


def plain(instant: datetime) -> str:
    """Return an instant as people read it where nothing knows their zone."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def local(instant: datetime | None) -> str:
    """Return an instant as a field of a form has it, in UTC; nothing for none."""
    return "" if instant is None else instant.astimezone(UTC).isoformat("T", "seconds")[:19]


def pretty(value: Any) -> str:
    """Return a value as JSON on several lines, a very long one on one: that takes a tenth of the time."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) > _LONG_JSON else json.dumps(value, indent=2, ensure_ascii=False)


def compact(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def program(run: Run | Task) -> str:
    """Return what a run or a task carries out, in a line: its entrypoint, or its image and command."""
    spec = run.spec
    if spec.python is not None:
        entry = spec.python.entrypoint
        said = entry.file or entry.module or entry.function or ""
        return f"{said} (Python {spec.python.version})" if spec.python.version else said
    return " ".join([spec.reference, *(spec.command or spec.args or ())])


def ran_s(run: Run | TaskRun) -> float | None:
    """Return for how long a run that is over ran, in seconds; None where it never began, or goes on."""
    if run.started_at is None or run.finished_at is None:
        return None
    # The Engine takes both instants itself, and of what exits at once now and then in the wrong order.
    return max(0.0, (run.finished_at - run.started_at).total_seconds())


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "duration": duration,
    "size": size,
    "money": money,
    "cores": cores,
    "number": number,
    "epoch": datetime.timestamp,
    "exact": exact,
    "plain": plain,
    "local": local,
    "pretty": pretty,
    "compact": compact,
    "growing": growing,
    "program": program,
    "ran_s": ran_s,
    "in_words": in_words,
    "copied": copied,
}
