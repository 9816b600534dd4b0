"""What attempts really use: exact from a cgroup of ours where that can be, else from samples."""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from runsd.clock import Clock
from runsd.engine.cgroup import Cgroups, CgroupUsage
from runsd.engine.port import Engine, EngineFacts, UsageSample
from runsd.errors import EngineError, NotNow
from runsd.logs.samples import Measured, Samples
from runsd.signals import Signals, woken

log = structlog.get_logger()

# A young run is measured soon and then ever more seldom: without a cgroup of ours the last sample is all that
# is known, and it should be no older than half of the run, or ten seconds.
_FIRST_S = 0.25
_LONGEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Used:
    """Processor time and peak memory; ``source`` says how well they are known."""

    cpu_us: int
    memory_peak_bytes: int
    source: str
    oom_kills: int = 0


@dataclass(slots=True)
class Watched:
    """A running attempt, when it is measured next (by the monotonic clock) and how long after the last."""

    run_id: str
    attempt: int
    container: str
    due: float = field(default_factory=lambda: time.monotonic() + _FIRST_S)
    every_s: float = _FIRST_S

    @property
    def early_s(self) -> float:
        """How much sooner it may be measured, for company."""
        return _LONGEST_S / 2 if self.every_s == _LONGEST_S else 0.0

    def measured(self) -> None:
        """Put off the next time, twice as far as the last."""
        self.every_s = min(_LONGEST_S, 2 * self.every_s)
        self.due = time.monotonic() + self.every_s


class UsageMeter:
    """Measures every running attempt now and then, and each one finally."""

    def __init__(
        self, engine: Engine, samples: Samples, *, host: str, instance: str, signals: Signals, clock: Clock
    ) -> None:
        self._engine = engine
        self._samples = samples
        self._host = host
        self._cgroups: Cgroups | None = None
        self._instance = instance
        self._signals = signals
        self._clock = clock
        self._watched: dict[str, Watched] = {}
        self._last: dict[str, Used] = {}
        self._earlier = asyncio.Event()

    @property
    def source(self) -> str:
        """``cgroup`` or ``samples``."""
        return "cgroup" if self._cgroups else "samples"

    async def fit(self, facts: EngineFacts) -> None:
        """Find out how well usage can be known on this Engine."""
        self._cgroups = await Cgroups.detect(facts, self._host)

    async def prepare(self, name: str) -> str | None:
        """Make the cgroup that will outlive the container of that name; None where that cannot be."""
        if self._cgroups is None:
            return None
        try:
            return await self._cgroups.make(self._own(name))
        except OSError as failure:  # knowing less of its use is no reason not to run it
            log.warning("cgroup.not_made", name=name, error=str(failure))
            return None

    @contextmanager
    def watching(self, name: str, watched: Watched) -> Iterator[None]:
        """Measure an attempt from time to time while it runs."""
        self._watched[name] = watched
        self._earlier.set()
        try:
            yield
        finally:
            del self._watched[name]

    async def final(self, name: str) -> Used | None:
        """Return what an ended attempt used, as well as it can be known."""
        last = self._last.get(name)
        if self._cgroups is None:
            return last
        usage = await self._cgroups.read(self._own(name))
        if usage is None:
            return last
        return Used(usage.cpu_us, usage.memory_peak_bytes or 0, "cgroup", usage.oom_kills or 0)

    async def clear(self, name: str) -> None:
        """Remove the cgroup of an attempt that is over; a busy one is left to the reconciler.

        An Engine that was killed while it started a container knows nothing of the process that it had made,
        and lets it wait for ever; nobody else is in the cgroup of an attempt whose container is gone.
        """
        self._last.pop(name, None)
        if self._cgroups is None:
            return
        own = self._own(name)
        try:
            try:
                await self._cgroups.remove(own)
            except OSError:
                killed = await self._cgroups.kill(own)
                log.warning("cgroup.killed", name=name, processes=killed)
                await self._cgroups.remove(own)
        except OSError as failure:
            log.warning("cgroup.not_removed", name=name, error=str(failure))

    async def left_over(self) -> list[str]:
        """Return the names of all attempts of this installation that have a cgroup."""
        if self._cgroups is None:
            return []
        prefix = f"{self._instance}."
        names = await self._cgroups.list_names()
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]

    async def serve(self) -> None:
        """Measure for as long as the daemon lives."""
        while True:
            next_due = min((watched.due for watched in self._watched.values()), default=math.inf)
            await woken(self._earlier, min(_LONGEST_S, max(0.0, next_due - time.monotonic())))
            measured = await self._measure(self._due())
            if measured:
                await self._store(measured)

    def _due(self) -> dict[str, Watched]:
        """Return whom to measure now.

        When it is somebody's turn, those who run for long and whose turn is near go along: soon all of them
        are measured in one visit to their cgroups and one commit.
        """
        now = time.monotonic()
        if not any(watched.due <= now for watched in self._watched.values()):
            return {}
        return {name: one for name, one in self._watched.items() if one.due <= now + one.early_s}

    async def _store(self, measured: Sequence[Measured]) -> None:
        try:
            await self._samples.add(measured)
        except NotNow as failure:  # a series with a hole is no reason to stop
            log.warning("usage.not_stored", error=str(failure))
            return
        self._signals.notify(*{f"measured:{each.run_id}" for each in measured})

    async def _measure(self, due: Mapping[str, Watched]) -> list[Measured]:
        for watched in due.values():
            watched.measured()
        at_us = self._clock()
        counted = await self._cgroups.read_each(map(self._own, due)) if self._cgroups and due else {}
        found = []
        for name, watched in due.items():
            usage: CgroupUsage | UsageSample | None = counted.get(self._own(name))
            if name in self._watched and usage is None:
                usage = await self._sample(watched)
            if name not in self._watched or usage is None:
                continue  # it is over, or the next round will know
            before = self._last[name].memory_peak_bytes if name in self._last else 0
            peak = max(usage.memory_peak_bytes or usage.memory_bytes, before)
            self._last[name] = Used(usage.cpu_us, peak, "samples")
            found.append(Measured(watched.run_id, watched.attempt, at_us, usage.cpu_us, usage.memory_bytes))
        return found

    async def _sample(self, watched: Watched) -> UsageSample | None:
        try:
            return await self._engine.sample(watched.container)
        except (EngineError, LookupError):
            return None

    def _own(self, name: str) -> str:
        """Return the name of the cgroup of an attempt."""
        return f"{self._instance}.{name}"
