"""The bill: exact integers from the Engine's own instants. No I/O, no clock.

The unit is the nano-vCPU-second: millicores times microseconds, a whole number, so nothing is ever rounded.
An attempt is split at UTC midnights into lines; a day, a month and a run are sums of the same lines.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

from runsd.clock import instant, micros

NANO = 1_000_000_000
# Python's own context rounds to 28 digits, which a large month at a fine price exceeds.
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Line:
    """What one attempt used on one UTC day (``2026-11-22``)."""

    day: str
    nano_vcpu_s: int


@dataclass(frozen=True, slots=True)
class Month:
    """A project's month against the price list."""

    nano_vcpu_s: int
    billable_nano_vcpu_s: int
    cost_usd: Decimal


def billed_us(started_us: int, finished_us: int, *, limit_us: int) -> int:
    """Return the microseconds to pay for: never negative, never beyond timeout and grace.

    FinishedAt may lie before StartedAt in the Engine's record (moby#45445).
    """
    return max(0, min(finished_us - started_us, limit_us))


def lines(started_us: int, duration_us: int, *, cpu_milli: int) -> list[Line]:
    """Split an attempt at UTC midnights; one that took no time is a line of nothing."""
    found: list[Line] = []
    at, end = started_us, started_us + duration_us
    while at < end or not found:
        midnight = micros(_next_midnight(instant(at)))
        upto = min(end, midnight)
        found.append(Line(instant(at).strftime("%Y-%m-%d"), (upto - at) * cpu_milli))
        at = upto
    return found


def month(nano_vcpu_s: int, *, free_vcpu_s: int, price_usd: Decimal) -> Month:
    """Apply the free tier and the price to a month's total."""
    billable = max(0, nano_vcpu_s - free_vcpu_s * NANO)
    return Month(nano_vcpu_s, billable, cost_usd(billable, price_usd))


def cost_usd(nano_vcpu_s: int, price_usd: Decimal) -> Decimal:
    """Return the exact list price in US dollars."""
    return _EXACT.multiply(Decimal(nano_vcpu_s).scaleb(-9, _EXACT), price_usd)


def money(amount: Decimal) -> str:
    """Write an amount exactly, without exponent or idle zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def vcpu_seconds(nano_vcpu_s: int) -> float:
    """Return vCPU-seconds as the nearest number that JSON can carry."""
    return nano_vcpu_s / NANO


def _next_midnight(at: datetime) -> datetime:
    return datetime(at.year, at.month, at.day, tzinfo=UTC) + timedelta(days=1)
