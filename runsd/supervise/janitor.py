"""The janitor: forgets what is over and old enough, and gives the space back, a little at a time.

Output goes before the run that it belongs to: first the mark on the run, then the bytes, then the row. A
crash in between leaves either a run that says that its log was deleted, or bytes of no use, which the next
daemon finds and removes. Between any two of its short transactions the janitor pauses for as long as the last
one took, so that it never has more than half of the disk's time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from runsd.clock import Clock
from runsd.config import RetentionSettings
from runsd.errors import NotNow
from runsd.logs.kept import KeptLogs
from runsd.metrics import Metrics
from runsd.signals import Signals, woken
from runsd.sqlite import Sqlite
from runsd.store.audit import Audit
from runsd.store.deliveries import Deliveries
from runsd.store.projects import Projects
from runsd.store.retention import Retention

log = structlog.get_logger()
T = TypeVar("T")

_EVERY_S = 60.0
_SWEEP_EVERY_S = 24 * 3600.0
_DAY_US = 24 * 3600 * 1_000_000
_BATCH = 50
_DELIVERIES = 200
_ENTRIES = 500
_EVENTS = 500
_LEAST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 1.0
# Free pages that are kept for what comes next: giving back what is taken again tomorrow costs for nothing.
_SLACK_BYTES = 16 * 1024**2
_GIVEN_BACK_AT_ONCE = 512 * 1024
_FOR_EVER = 2**62
# Whoever waits for a run has so long to read its output, however much there is.
_TIME_TO_READ_US = 3600 * 1_000_000


class Janitor:
    """Keeps what is stored within the ages and sizes of ``[retention]``.

    ``hurry`` says whether the disk is short of space; ``forget_sources`` takes a project's sources from it.
    """

    def __init__(
        self,
        retention: Retention,
        logs: KeptLogs,
        deliveries: Deliveries,
        audit: Audit,
        files: Sequence[Sqlite],
        *,
        projects: Projects,
        forget_sources: Callable[[str], Awaitable[None]],
        hurry: Callable[[], bool],
        settings: RetentionSettings,
        metrics: Metrics,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._retention = retention
        self._logs = logs
        self._deliveries = deliveries
        self._audit = audit
        self._files = files
        self._projects = projects
        self._forget_sources = forget_sources
        self._hurry = hurry
        self._settings = settings
        self._metrics = metrics
        self._signals = signals
        self._clock = clock
        self._sweep_at = 0.0

    async def serve(self) -> None:
        """Tidy up for as long as the daemon lives: now and then, and at once when the disk runs short."""
        with self._signals.listening("disk", "projects") as changed:
            while True:
                try:
                    await self.tidy()
                except NotNow as failure:  # a disk that is full takes not even this; later then
                    self._sweep_at = 0.0
                    log.warning("janitor.failed", error=str(failure))
                await woken(changed, _EVERY_S)

    async def tidy(self) -> None:
        """Go round once."""
        if time.monotonic() >= self._sweep_at:
            await self._sweep()
            self._sweep_at = time.monotonic() + _SWEEP_EVERY_S
        await self._forget_projects()
        await self._forget_runs()
        await self._forget_old_logs()
        await self._forget_large_logs()
        await self._forget_events()
        while await self._paced(self._retention.forget_keys()):
            pass
        await self._forget_deliveries()
        await self._forget_audit()
        for file in self._files:
            await self._give_back(file)

    async def _sweep(self) -> None:
        """Remove output that a crash has left behind: of runs that are unknown, or marked as without."""
        after = ""
        while found := await self._paced(self._logs.run_ids(after, _BATCH)):
            after = found[-1]
            if useless := await self._retention.without_log(found):
                await self._drop(useless)
                log.info("janitor.swept", runs=len(useless))

    async def _forget_projects(self) -> None:
        """Finish deleting projects. The name goes last: whoever makes it anew finds nothing of before."""
        while (name := await self._projects.deleted()) is not None:
            while ended := await self._projects.old_runs(name, _BATCH):
                await self._forget(ended)
            await self._forget_sources(name)
            while await self._paced(self._projects.forget_events(name, _EVENTS)):
                pass
            await self._projects.forget(name)
            log.info("project.forgotten", project=name)

    async def _forget_runs(self) -> None:
        before, forgotten = self._before(self._settings.runs_days), 0
        while before and (ended := await self._retention.ended(before, _BATCH)):
            await self._forget(ended)
            forgotten += len(ended)
        if self._settings.max_runs:
            over = await self._retention.count_ended() - self._settings.max_runs
            while over > 0 and (ended := await self._retention.ended(_FOR_EVER, min(_BATCH, over))):
                await self._forget(ended)
                forgotten += len(ended)
                over -= len(ended)
        self._told("runs", forgotten)

    async def _forget(self, ended: Sequence[str]) -> None:
        await self._delete_logs(ended)
        await self._paced(self._retention.forget(ended))
        self._signals.notify("events", *(f"{of}:{run_id}" for run_id in ended for of in ("run", "over")))

    async def _forget_old_logs(self) -> None:
        before, deleted = self._before(self._settings.logs_days), 0
        while before and (logged := await self._retention.with_log(before, _BATCH)):
            await self._delete_logs(logged)
            deleted += len(logged)
        self._told("logs", deleted)

    async def _forget_large_logs(self) -> None:
        most, deleted = self._settings.log_bytes, 0
        while most and await self._logs.used_bytes() > most:
            oldest = await self._retention.with_log(self._clock() - _TIME_TO_READ_US, 1)
            if not oldest:
                break  # what is left belongs to runs that are not over, or only just
            await self._delete_logs(oldest)
            deleted += 1
        self._told("logs", deleted)

    async def _forget_events(self) -> None:
        before, upto = self._before(self._settings.events_days), 0
        if self._settings.max_events:
            upto = await self._retention.newest_event() - self._settings.max_events
        after: int | None = 0
        while (before or upto > 0) and after is not None:
            after = await self._paced(self._retention.forget_events(after, before_us=before, upto=upto))

    async def _forget_deliveries(self) -> None:
        forgotten = 0
        while count := await self._paced(self._deliveries.forget_deleted(_DELIVERIES)):
            forgotten += count
        before, most = self._before(self._settings.deliveries_days), self._settings.max_deliveries
        while before and (count := await self._paced(self._deliveries.forget_ended(before, _DELIVERIES))):
            forgotten += count
        while most and (count := await self._paced(self._deliveries.forget_oldest(most, _DELIVERIES))):
            forgotten += count
        await self._paced(self._deliveries.forget_secrets())
        self._told("deliveries", forgotten)

    async def _forget_audit(self) -> None:
        before, forgotten = self._before(self._settings.audit_days), 0
        while before and (count := await self._paced(self._audit.forget(before, _ENTRIES))):
            forgotten += count
        self._told("audit", forgotten)

    async def _give_back(self, file: Sqlite) -> None:
        slack = 0 if self._hurry() else _SLACK_BYTES
        free = (await file.space()).free_bytes
        while free > slack:
            await self._paced(file.give_back(min(free - slack, _GIVEN_BACK_AT_ONCE)))
            left = (await file.space()).free_bytes
            if left >= free:
                break  # a file that was made without the ability
            free = left

    async def _delete_logs(self, run_ids: Sequence[str]) -> None:
        await self._paced(self._retention.mark_logs_deleted(run_ids))
        await self._drop(run_ids)

    async def _drop(self, run_ids: Sequence[str]) -> None:
        while await self._paced(self._logs.forget_some(run_ids)):
            pass

    def _before(self, days: float) -> int:
        """Return the instant before which what is over is too old; 0 where nothing ever is."""
        return max(0, self._clock() - int(days * _DAY_US)) if days else 0

    def _told(self, kind: str, count: int) -> None:
        if count:
            self._metrics.forgotten.labels(kind).inc(count)
            log.info("janitor.forgot", kind=kind, count=count)

    async def _paced(self, step: Awaitable[T]) -> T:
        begun = time.monotonic()
        value = await step
        took_s = time.monotonic() - begun
        await asyncio.sleep(min(_LONGEST_PAUSE_S, max(_LEAST_PAUSE_S, took_s)))
        return value
