"""What a project may have, and how much of it it has. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from runsd_sdk.host import Info
from runsd_sdk.project import ProjectLimits

from runsd.web.words import cores, money, number, size


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, what is had of it, and both in words."""

    name: str
    has: float
    most: float
    said: str

    @property
    def reached(self) -> bool:
        """Whether there is no more to have."""
        return self.has >= self.most


def shares(limits: ProjectLimits, info: Info) -> list[Limit]:
    """Return the limits that are set, those of the month first."""
    spent, in_use = info.spent, info.in_use
    found: list[Limit] = []
    if spent is not None:
        budget = None if limits.monthly_usd is None else Decimal(limits.monthly_usd)
        found += _limit("Budget of the month", Decimal(spent.cost_usd), budget, money)
        found += _limit("vCPU-seconds of the month", spent.vcpu_seconds, limits.monthly_vcpu_seconds, number)
    return [
        *found,
        *_limit("Live runs", info.live, limits.runs, number),
        *_limit("Cores in use", in_use.cpu_milli, limits.cpu_milli, cores),
        *_limit("Memory in use", in_use.memory_bytes, limits.memory_bytes, size),
        *_limit("Queued runs", info.queued, limits.queued, number),
    ]


def _limit(
    name: str, has: float | Decimal, most: float | Decimal | None, said: Callable[[Any], str]
) -> Iterator[Limit]:
    if most is not None:
        yield Limit(name, float(has), float(most), f"{said(has)} of {said(most)}")
