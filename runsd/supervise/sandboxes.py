"""The pool of sandboxes: network namespaces made ahead, each lent to one run at a time.

Making and tearing down a network namespace is half of what the start of a container costs, and a run that
joins one starts in half the time. When its run is gone, a sandbox that looks exactly as when it was new is
lent again, to the same project only; any other is thrown away. Nothing is stored: labels, and which container
joins which, are the truth for a daemon that comes after this one too.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog

from runsd.errors import EngineError
from runsd.signals import Signals, woken
from runsd.supervise.demand import Demand
from runsd.supervise.health import EngineMonitor
from runsd.supervise.pace import Pace
from runsd.supervise.sandbox import Sandbox, Workshop

log = structlog.get_logger()

NETWORKS = ("none", "bridge")
"""The networks with sandboxes. In others the Engine's own DNS knows containers by their names, and would know
a sandbox in the place of its run."""

_EVERY_S = 30.0
_LOOK_AGAIN_S = 5.0
_QUIET_S = 0.5
_AFTER_FAILURE_S = 60.0
# How long a run may take from the loan to the making of its container.
_CLAIM_S = 180.0
_CLOSE_S = 5.0
# Whatever goes wrong with sandboxes, runs go on without them: no answer, no descriptor, an odd answer.
_FAILURES = (EngineError, OSError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Loan:
    """A sandbox, by its container's id, and whether it was made while its run waited."""

    sandbox: str
    made: bool


class Sandboxes:
    """Lends sandboxes, makes them while nothing else is being started, and drops what nobody asks for."""

    def __init__(
        self, workshop: Workshop, monitor: EngineMonitor, pace: Pace, *, most: int, signals: Signals
    ) -> None:
        self._workshop = workshop
        self._monitor = monitor
        self._pace = pace
        self.most = most
        self._signals = signals
        self._demand = {network: Demand() for network in NETWORKS}
        # Whether the last one that came back was as new: else making one for a crowd is in vain.
        self._recycled = dict.fromkeys(NETWORKS, True)
        self._idle: list[Sandbox] = []
        self._lent: dict[str, tuple[Sandbox, float]] = {}
        self._making = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._closing = False
        self._strays: set[str] = set()
        self._rests_until_s = 0.0

    @property
    def idle(self) -> int:
        """How many wait for a run."""
        return len(self._idle)

    @property
    def lent(self) -> int:
        """How many are in use."""
        return len(self._lent)

    async def lend(self, network: str, project: str) -> Loan | None:
        """Lend a sandbox to one run; None where the run does better without.

        In a crowd one is made where none is ready: whoever waits behind uses it again. A single run is
        started without, and the next one finds one.
        """
        if self.most == 0 or network not in NETWORKS or self._tasks is None:
            return None
        self._demand[network].note(time.monotonic())
        self._signals.notify("sandboxes")
        sandbox, made = self._ready(network, project), False
        if sandbox is None and self._is_crowd(network):
            await asyncio.shield(self._begin(self._make(network), f"sandbox-for-{network}"))
            sandbox, made = self._ready(network, project), True
        if sandbox is None:
            return None
        self._lent[sandbox.id] = replace(sandbox, project=project), time.monotonic()
        return Loan(sandbox.id, made)

    def give_back(self, sandbox: str, *, as_it_is: bool = True) -> None:
        """Take back a sandbox that no container joins any more, whichever daemon has lent it.

        Not ``as_it_is`` when somebody may be in it still: then it is not lent again however it looks.
        """
        self._begin(self._take_back(sandbox, as_it_is=as_it_is), f"sandbox-back-{sandbox[:12]}")

    async def serve(self) -> None:
        """Keep the pool for as long as the daemon lives."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._tidy_always(), name="sandboxes-tidy")
            with self._signals.listening("sandboxes") as changed:
                while True:
                    await self._fill(one_each=True)
                    if not await woken(changed, _QUIET_S):
                        await self._fill(one_each=False)
                        await woken(changed, _EVERY_S)

    async def close(self) -> None:
        """Take apart what no run is in; the others are the next daemon's."""
        self._closing = True
        try:
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.gather(*self._under_way)
                # A container that is on its way still, though who asked for it is gone, is made anew.
                unused = (await self._workshop.census()).unused
                await asyncio.gather(*(self._discard(id) for id in unused))
        except (*_FAILURES, TimeoutError) as failure:
            log.warning("sandboxes.left_behind", error=str(failure))

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start what goes on though whoever asked for it has left."""
        if self._tasks is None:
            raise RuntimeError("nothing is lent before the pool is served")
        task = self._tasks.create_task(work, name=name)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    # Lending

    def _ready(self, network: str, project: str) -> Sandbox | None:
        """Take one from the idle ones: the project's own, or a new one."""
        for owner in (project, None):
            for sandbox in self._idle_for(network):
                if sandbox.project == owner:
                    if sandbox.up_to_date:
                        self._idle.remove(sandbox)
                        return sandbox
                    self._drop(sandbox)
        for sandbox in self._idle_for(network)[:1]:  # another project's makes room for a new one
            self._drop(sandbox)
        return None

    def _is_crowd(self, network: str) -> bool:
        if not self._recycled[network] or not self._can_make or self._pace.waiting == 0:
            return False
        return self._lent_for(network) + len(self._idle_for(network)) + self._making < self.most

    def _idle_for(self, network: str) -> list[Sandbox]:
        return [sandbox for sandbox in self._idle if sandbox.network == network]

    def _lent_for(self, network: str) -> int:
        return sum(sandbox.network == network for sandbox, _ in self._lent.values())

    # Making

    @property
    def _can_make(self) -> bool:
        rests = time.monotonic() < self._rests_until_s
        return not (self._closing or rests) and self._monitor.trouble is None

    async def _fill(self, *, one_each: bool) -> None:
        """Make what is wanted, one after the other and only while no run is being started.

        The next run may come at once, and finds one; more than that are made when there is quiet, for making
        them keeps the Engine from telling of exits.
        """
        for network in NETWORKS:
            wanted = self._demand[network].wanted(time.monotonic(), most=self.most)
            if wanted == 0:
                for sandbox in self._idle_for(network):
                    self._drop(sandbox)
            while (
                self._lacks(network, min(wanted, 1) if one_each else wanted)
                and self._can_make
                and self._pace.idle
            ):
                async with self._pace.turn():
                    await self._begin(self._make(network), f"sandbox-ahead-{network}")

    def _lacks(self, network: str, wanted: int) -> bool:
        """Say whether another one is to be made: those in use will come back, but not at once."""
        idle = len(self._idle_for(network))
        return idle < min(1, wanted) or idle + self._lent_for(network) < wanted

    async def _make(self, network: str) -> None:
        """Add one to the idle ones, unless the Engine will not have it."""
        self._making += 1
        try:
            self._idle.append(await self._workshop.make(network))
        except _FAILURES as failure:  # runs go without, and what is half made is tidied away
            log.warning("sandbox.not_made", network=network, error=str(failure))
            self._rests_until_s = time.monotonic() + _AFTER_FAILURE_S
        finally:
            self._making -= 1

    # Clearing away

    async def _take_back(self, id: str, *, as_it_is: bool) -> None:
        sandbox, _ = self._lent.get(id, (None, 0.0))
        if sandbox is not None:
            self._lent[id] = sandbox, time.monotonic()  # nobody joins it now, and it is not forgotten
            as_new = as_it_is and await sandbox.as_new()
            self._recycled[sandbox.network] = as_new
            self._lent.pop(id, None)
            if as_new and len(self._idle_for(sandbox.network)) < self.most and not self._closing:
                return self._idle.append(sandbox)
        await self._discard(id)
        return None

    def _drop(self, sandbox: Sandbox) -> None:
        """Take apart one of the idle ones."""
        self._idle.remove(sandbox)
        self._begin(self._discard(sandbox.id), f"sandbox-drop-{sandbox.id[:12]}")

    async def _discard(self, id: str) -> None:
        try:
            await self._workshop.discard(id)
        except _FAILURES as failure:
            log.warning("sandbox.not_removed", sandbox=id[:12], error=str(failure))

    async def _tidy_always(self) -> None:
        """Look for those of a daemon or an Engine that went down, now and then."""
        with self._signals.listening("engine") as changed:
            while True:
                try:
                    if self._monitor.reachable:
                        await self._tidy()
                except _FAILURES as failure:
                    log.warning("sandboxes.not_tidied", error=str(failure))
                if await woken(changed, _LOOK_AGAIN_S if self._strays else _EVERY_S):
                    # The Engine may have come back with other settings, or be another one.
                    for sandbox in list(self._idle):
                        self._drop(sandbox)

    async def _tidy(self) -> None:
        idle_before = {sandbox.id for sandbox in self._idle}
        census = await self._workshop.census()
        for sandbox in [one for one in self._idle if one.id in idle_before - census.running]:
            self._drop(sandbox)
        until_s = time.monotonic() - _CLAIM_S
        for id in [id for id, (_, since_s) in self._lent.items() if since_s < until_s]:
            if id in census.unused or id not in census.present:
                del self._lent[id]
        known = self._lent.keys() | {sandbox.id for sandbox in self._idle}
        # A container that a former daemon asked for may join one only after it was looked for.
        strays = census.unused - known
        for id in strays & self._strays:
            await self._discard(id)
        self._strays = strays
