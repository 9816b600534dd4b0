"""The supervisor: one task per live run, isolated from all others, repeated until the truth is stored."""

import asyncio
from collections.abc import Callable

import structlog

from runsd.errors import EngineUnavailable, RunsdError
from runsd.supervise.attempt import Attempt
from runsd.supervise.health import EngineMonitor
from runsd.supervise.tools import Tools

log = structlog.get_logger()

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0


class Supervisor:
    """Carries out attempts. Cancelling it detaches from the containers; they go on."""

    def __init__(self, tools: Tools, monitor: EngineMonitor, *, on_end: Callable[[], None]) -> None:
        self._tools = tools
        self._monitor = monitor
        self._on_end = on_end
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def supervised(self) -> set[str]:
        """The ids of the runs that have a task."""
        return set(self._tasks)

    def take_up(self, run_id: str) -> None:
        """See a live run to its end, unless somebody does already."""
        if run_id in self._tasks:
            return
        task = asyncio.create_task(self._supervise(run_id), name=f"supervise-{run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._ended(run_id))

    async def detach(self) -> None:
        """Let go of all containers, which run on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, run_id: str) -> None:
        del self._tasks[run_id]
        self._on_end()

    async def _supervise(self, run_id: str) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while (work := await self._tools.attempts.work(run_id)) is not None:
            await self._monitor.answering()
            try:
                await Attempt(work, self._tools).carry_out()
            except EngineUnavailable as failure:
                log.warning("run.engine_unavailable", run=run_id, error=str(failure))
                self._monitor.doubt()
            except RunsdError as failure:
                log.error("run.attempt_failed", run=run_id, error=str(failure))
            except Exception:
                # A fault of ours in one attempt must not reach the others; the attempt is taken up again.
                log.exception("run.attempt_crashed", run=run_id)
            else:
                return
            await asyncio.sleep(backoff_s)
            backoff_s = min(_LONGEST_BACKOFF_S, 2 * backoff_s)
