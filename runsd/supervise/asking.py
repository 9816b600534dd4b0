"""What the owner of a run asks while it is live: looked up whenever a word about it comes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runsd.run import Outcome
from runsd.store.attempts import Work
from runsd.supervise.tools import NotStarted, Tools


class Asking:
    """The ear of one attempt, and its row as far as there has been a word about it."""

    def __init__(self, work: Work, tools: Tools) -> None:
        self._work = work
        self._tools = tools
        self._asked = asyncio.Event()
        self._stale = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every word about the run."""
        with self._tools.signals.listening(f"ask:{self._work.id}") as self._asked:
            self._stale = True
            yield

    async def work(self) -> Work:
        """Return the row; it is read again only after a word, or when it has changed by our own doing."""
        if self._asked.is_set() or self._stale:
            self._asked.clear()
            self._stale = False
            try:
                self._work = await self._tools.attempts.work(self._work.id) or self._work
            except BaseException:
                self._stale = True
                raise
        return self._work

    def changed(self) -> None:
        """Note that the row is not what it was."""
        self._stale = True

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
        if self._asked.is_set():
            self._asked.clear()
            self._stale = True

    async def done_unless_stopped(self, task: asyncio.Future[Any], when: str) -> None:
        """Wait until a task is done. Raises NotStarted, as ``check_stop`` does, once the run is to stop."""
        while not task.done():
            await self.done_or_asked(task, within_s=None)
            if not task.done():
                await self.check_stop(when)

    async def check_stop(self, when: str) -> None:
        """Raise NotStarted when the run is to stop; ``when`` goes into its message."""
        work = await self.work()
        if work.stop_reason is not None:
            raise NotStarted(Outcome(work.stop_reason, f"{work.stop_reason.value} {when}"))
