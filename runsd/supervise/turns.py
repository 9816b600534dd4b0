"""The queue by projects: who may start as far as limits, budgets and fair turns go, and why one may not."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
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
        self._lines = 1  # how many there were the last time

    async def waiting(self, most: int) -> tuple[Sequence[Waiting], Sequence[Holding]]:
        """Return who may start, ``most`` at the most, in order of claim, and what all live runs hold."""
        # All lines together have ``most``: of many only the beginnings are read, of some of those the rest.
        few = min(most, max(2, -(-2 * most // self._lines)))
        queues = await self._attempts.waiting(few, within=self.capacity)
        self._lines = max(1, len(queues))
        if not queues:
            self._heads.first_for_s((), _now_s())  # who was first is so no more: a retry has the same id
            return (), ()
        holding = await self._attempts.holding()
        of_project = defaultdict[str, list[Holding]](list)
        for each in holding:
            of_project[each.project].append(each)
        lines: dict[str, Line] = {}
        for project, queue in queues.items():
            if await self._spent(project) is None:
                startable = await self._startable(project, queue, most=most, read=few)
                lines[project] = self._line(project, startable, of_project[project])
        return await self._in_turn(lines, most=most, read=few), holding

    async def _in_turn(self, lines: dict[str, Line], *, most: int, read: int) -> Sequence[Waiting]:
        """Return the order of claim as if all lines had been read whole.

        A line of which all is taken that was ``read`` is read on.
        """
        first_for_s = self._heads.first_for_s([*lines.values()], _now_s())
        cut = {project for project, line in lines.items() if read == len(line.waiting) < most}
        while True:
            order = in_turn([*lines.values()], self.capacity, first_for_s, most=most)
            taken = {run.id for run in order}
            short = {project for project in cut if lines[project].waiting[-1].id in taken}
            if not short:
                return order
            cut -= short
            for project in short:
                lines[project] = replace(lines[project], waiting=await self._read(project, most))

    async def held_back(self, run: Run) -> str | None:
        """Say in words what keeps a queued run's project from starting it; None if nothing does."""
        mine = await self._attempts.holding(project=run.project)
        requests = run.spec.resources.requests
        asks = Resources(requests.cpu_milli, requests.memory_bytes, requests.gpus)
        ceiling = _ceiling(self._projects.limits(run.project))
        return await self._spent(run.project) or ceiling.holds_back(asks, holds=held(mine), live=len(mine))

    async def used(self, project: str) -> tuple[str, billing.Month] | None:
        """Return the month (``2026-11``) and what counts for a budget of it; None where there is none."""
        if not _budget(self._projects.limits(project)):
            return None
        month = instant(self._clock()).strftime("%Y-%m")
        return month, billing.month(
            await self._attempts.used(project, month),
            free_vcpu_s=self._prices.free_vcpu_seconds,
            price_usd=self._prices.price_per_vcpu_second_usd,
        )

    async def _startable(
        self, project: str, queue: Sequence[Waiting], *, most: int, read: int
    ) -> Sequence[Waiting]:
        """Look further where those of a line that ask for more than its whole ceiling hide who does not."""
        within = self._within(project)
        if len(queue) < read or all(within.covers(run.asks) for run in queue):
            return queue
        return await self._read(project, most)

    async def _read(self, project: str, most: int) -> Sequence[Waiting]:
        """Return the beginning of a line, without those who ask for more than its whole ceiling."""
        within = self._within(project)
        return (await self._attempts.waiting(most, within=within, project=project)).get(project, ())

    def _within(self, project: str) -> Resources:
        ceiling = _ceiling(self._projects.limits(project))
        return Resources(
            min(self.capacity.cpu_milli, ceiling.cpu_milli or self.capacity.cpu_milli),
            min(self.capacity.memory_bytes, ceiling.memory_bytes or self.capacity.memory_bytes),
            self.capacity.gpus,
        )

    def _line(self, project: str, queue: Sequence[Waiting], holding: Sequence[Holding]) -> Line:
        ceiling = _ceiling(self._projects.limits(project))
        return Line(project, queue, held(holding), len(holding), ceiling)

    async def _spent(self, project: str) -> str | None:
        used = await self.used(project)
        return None if used is None else _budget(self._projects.limits(project)).spent(used[1], month=used[0])


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _ceiling(limits: ProjectLimits) -> Ceiling:
    return Ceiling(limits.runs, limits.cpu_milli, limits.memory_bytes)


def _budget(limits: ProjectLimits) -> Budget:
    seconds, usd = limits.monthly_vcpu_seconds, limits.monthly_usd
    return Budget(None if seconds is None else seconds * billing.NANO, None if usd is None else Decimal(usd))
