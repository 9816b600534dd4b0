"""What the owner of a run asks while it is live: looked up whenever a word about it comes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runsd.run import Outcome
from runsd.store.attempts import Work
from runsd.supervise.tools import NotStarted, Tools


class Asking:
    """The ear of one attempt."""

    def __init__(self, work: Work, tools: Tools) -> None:
        self._work = work
        self._tools = tools
        self._asked = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every word about the run."""
        with self._tools.signals.listening(f"ask:{self._work.id}") as self._asked:
            yield

    async def done_or_asked(
        self, task: asyncio.Future[Any], *also: asyncio.Future[Any], within_s: float | None
    ) -> None:
        """Wait until a task is done, or one more of others; for a word about this run; or so many seconds."""
        if task.done():
            return
        word = asyncio.create_task(self._asked.wait(), name=f"asked-{self._work.id}")
        others = {other for other in also if not other.done()}
        try:
            await asyncio.wait({word, task, *others}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            word.cancel()
            await asyncio.gather(word, return_exceptions=True)
        self._asked.clear()

    async def check_stop(self, when: str) -> None:
        """Raise NotStarted when the run is to stop; ``when`` goes into its message."""
        work = await self._tools.attempts.work(self._work.id)
        if work is not None and work.stop_reason is not None:
            raise NotStarted(Outcome(work.stop_reason, f"{work.stop_reason.value} {when}"))
