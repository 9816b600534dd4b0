"""The supervisor: one task per live run, isolated from all others, repeated until the truth is stored."""

import asyncio
import time
from collections.abc import Callable

import structlog

from runsd.errors import EngineError, EngineUnavailable, NotNow
from runsd.signals import woken
from runsd.supervise.attempt import Attempt
from runsd.supervise.health import EngineMonitor
from runsd.supervise.tools import Tools

log = structlog.get_logger()

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_MOST_FAILURES = 5


class Supervisor:
    """Carries out attempts. Cancelling it detaches from the containers; they go on."""

    def __init__(self, tools: Tools, monitor: EngineMonitor, *, on_end: Callable[[], None]) -> None:
        self._tools = tools
        self._monitor = monitor
        self._on_end = on_end
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._pausing: set[str] = set()

    @property
    def supervised(self) -> set[str]:
        """The ids of the runs that have a task."""
        return set(self._tasks)

    @property
    def pausing(self) -> int:
        """How many wait before their next try."""
        return len(self._pausing)

    def take_up(self, run_id: str) -> None:
        """See a live run to its end, unless somebody does already."""
        if run_id in self._tasks:
            self._again.add(run_id)  # the task may have looked for work for the last time
            return
        task = asyncio.create_task(self._supervise(run_id), name=f"supervise-{run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._ended(run_id))

    async def detach(self) -> None:
        """Let go of all containers, which run on."""
        self._again.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, run_id: str) -> None:
        del self._tasks[run_id]
        if run_id in self._again:
            self._again.discard(run_id)
            self.take_up(run_id)
        self._on_end()

    async def _supervise(self, run_id: str) -> None:
        attempt: Attempt | None = None
        number, failures, backoff_s = 0, 0, _FIRST_BACKOFF_S
        last: Exception | None = None
        while True:
            begun = time.monotonic()
            try:
                work = await self._tools.attempts.work(run_id)
                if work is None:
                    return
                await self._monitor.answering()
                if attempt is None or work.attempt != number:
                    attempt, number, failures = Attempt(work, self._tools), work.attempt, 0
                if failures >= _MOST_FAILURES and last is not None:
                    await attempt.give_up(last)
                else:
                    await attempt.carry_out()
            except Exception as failure:
                if _says_nothing(failure):
                    log.warning("run.cannot_go_on", run=run_id, error=str(failure))
                    self._monitor.doubt()
                else:
                    # A fault in one attempt must not reach the others; it is tried again, and not for ever.
                    log.exception("run.attempt_failed", run=run_id)
                    failures, last = failures + 1, failure
            else:
                backoff_s = _FIRST_BACKOFF_S
                continue
            if time.monotonic() - begun > _LONGEST_BACKOFF_S:
                backoff_s, failures = (
                    _FIRST_BACKOFF_S,
                    min(failures, 1),
                )  # what went well for long is not failing
            await self._pause(run_id, backoff_s)
            backoff_s = min(_LONGEST_BACKOFF_S, 2 * backoff_s)

    async def _pause(self, run_id: str, seconds: float) -> None:
        """Wait before the next try; a word of the run's owner or the Engine's return ends it early."""
        self._pausing.add(run_id)
        self._tools.signals.notify("queue")
        try:
            with self._tools.signals.listening(f"ask:{run_id}", "engine") as word:
                await woken(word, seconds)
        finally:
            self._pausing.discard(run_id)


def _says_nothing(failure: Exception) -> bool:
    """Say whether a failure is the Engine's or the disk's own, and thus no fact about the run."""
    if isinstance(failure, EngineError) and failure.own_fault:
        return True
    return isinstance(failure, EngineUnavailable | NotNow)
