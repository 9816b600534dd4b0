"""What a run costs so far: its bill, and the attempt that goes on as if it ended now."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from runsd_sdk.run import Run

from runsd import billing
from runsd.clock import micros


@dataclass(frozen=True, slots=True)
class SoFar:
    """List price in US dollars: ``usd`` is the sum of ``billed_usd`` and of what goes on since ``since``.

    That grows by ``usd_per_s``, for ``most_s`` at most: no more is billed of an attempt.
    """

    usd: Decimal
    billed_usd: Decimal
    usd_per_s: Decimal
    since: datetime | None
    most_s: float


def so_far(run: Run, now_us: int, price_usd: Decimal) -> SoFar:
    """Return what a run costs if it ends now; while none of its attempts runs that is the bill."""
    cpu_milli = run.spec.resources.requests.cpu_milli
    most_s = run.spec.timeout_seconds + run.spec.stop_grace_seconds
    since = None if run.status.terminal else run.started_at
    us = 0
    if since is not None:
        us = billing.billed_us(micros(since), now_us, limit_us=int(most_s * 1_000_000))
    billed = Decimal(run.usage.cost_usd)
    return SoFar(
        usd=billed + billing.cost_usd(us * cpu_milli, price_usd),
        billed_usd=billed,
        usd_per_s=billing.cost_usd(1_000_000 * cpu_milli, price_usd),
        since=since,
        most_s=most_s,
    )
