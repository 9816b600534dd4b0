"""The queue by projects: who may start as far as limits, budgets and fair turns go, and why one may not."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from runsd_sdk.project import ProjectLimits
from runsd_sdk.run import Run

from runsd import billing
from runsd.admission import Holding, Resources, Waiting, held
from runsd.budget import Budget
from runsd.clock import Clock, instant
from runsd.config import BillingSettings
from runsd.fairness import Ceiling, Heads, Line, in_turn
from runsd.store.attempts import Attempts
from runsd.store.projects import Projects


class Turns:
    """What the scheduler chooses from."""

    def __init__(
        self,
        attempts: Attempts,
        projects: Projects,
        *,
        capacity: Resources,
        prices: BillingSettings,
        clock: Clock,
    ) -> None:
        self._attempts = attempts
        self._projects = projects
        self.capacity = capacity
        self._prices = prices
        self._clock = clock
        self._heads = Heads()

    async def waiting(self, most: int) -> tuple[Sequence[Waiting], Sequence[Holding]]:
        """Return who may start, ``most`` at the most, in order of claim, and what all live runs hold."""
        queues = await self._attempts.waiting(most, within=self.capacity)
        if not queues:
            self._heads.first_for_s((), _now_s())  # who was first is so no more: a retry has the same id
            return (), ()
        holding = await self._attempts.holding()
        lines = [
            self._line(
                project,
                await self._startable(project, queue, most),
                [each for each in holding if each.project == project],
            )
            for project, queue in queues.items()
            if await self._spent(project) is None
        ]
        first_for_s = self._heads.first_for_s(lines, _now_s())
        return in_turn(lines, self.capacity, first_for_s, most=most), holding

    async def held_back(self, run: Run) -> str | None:
        """Say in words what keeps a queued run's project from starting it; None if nothing does."""
        mine = await self._attempts.holding(project=run.project)
        requests = run.spec.resources.requests
        asks = Resources(requests.cpu_milli, requests.memory_bytes, requests.gpus)
        ceiling = _ceiling(self._projects.limits(run.project))
        return await self._spent(run.project) or ceiling.holds_back(asks, holds=held(mine), live=len(mine))

    async def _startable(self, project: str, queue: Sequence[Waiting], most: int) -> Sequence[Waiting]:
        """Look further where those of a line that ask for more than its whole ceiling hide who does not."""
        ceiling = _ceiling(self._projects.limits(project))
        within = Resources(
            min(self.capacity.cpu_milli, ceiling.cpu_milli or self.capacity.cpu_milli),
            min(self.capacity.memory_bytes, ceiling.memory_bytes or self.capacity.memory_bytes),
            self.capacity.gpus,
        )
        if len(queue) < most or all(within.covers(run.asks) for run in queue):
            return queue
        return (await self._attempts.waiting(most, within=within, project=project)).get(project, ())

    def _line(self, project: str, queue: Sequence[Waiting], holding: Sequence[Holding]) -> Line:
        ceiling = _ceiling(self._projects.limits(project))
        return Line(project, queue, held(holding), len(holding), ceiling)

    async def _spent(self, project: str) -> str | None:
        budget = _budget(self._projects.limits(project))
        if not budget:
            return None
        month = instant(self._clock()).strftime("%Y-%m")
        used = billing.month(
            await self._attempts.used(project, month),
            free_vcpu_s=self._prices.free_vcpu_seconds,
            price_usd=self._prices.price_per_vcpu_second_usd,
        )
        return budget.spent(used, month=month)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _ceiling(limits: ProjectLimits) -> Ceiling:
    return Ceiling(limits.runs, limits.cpu_milli, limits.memory_bytes)


def _budget(limits: ProjectLimits) -> Budget:
    seconds, usd = limits.monthly_vcpu_seconds, limits.monthly_usd
    return Budget(None if seconds is None else seconds * billing.NANO, None if usd is None else Decimal(usd))
