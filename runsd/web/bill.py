"""A run's bill, so that a reader can do the sum. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from runsd_sdk.run import Run

from runsd import billing


@dataclass(frozen=True, slots=True)
class BillLine:
    """An attempt that ran: ``cores`` x ``seconds`` x price is ``cost_usd``, to the last digit.

    ``cut_s`` is how much longer it was there than it is paid for.
    """

    attempt: int
    cores: str
    seconds: str
    vcpu_seconds: str
    cost_usd: str
    cut_s: float


def bill(run: Run) -> list[BillLine]:
    """Return the lines of a run's bill."""
    cores = Decimal(run.spec.resources.requests.cpu_milli) / 1000
    return [
        BillLine(
            attempt=item.attempt,
            cores=billing.money(cores),
            seconds=_exact(item.duration_seconds),
            vcpu_seconds=billing.money(cores * Decimal(_exact(item.duration_seconds))),
            cost_usd=item.cost_usd,
            cut_s=max(0.0, (item.finished_at - item.started_at).total_seconds() - item.duration_seconds),
        )
        for item in run.usage.attempts
    ]


def _exact(seconds: float) -> str:
    """Write seconds to the microsecond, which is what is billed."""
    return billing.money(Decimal(f"{seconds:.6f}"))
