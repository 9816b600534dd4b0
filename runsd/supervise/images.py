"""Images: present, or pulled once however many runs wait for the same one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from runsd.engine.port import Engine, ImageFacts, PullProgress
from runsd.errors import EngineNotFound, EngineRefused


class Pull:
    """A pull in progress that any number of runs await."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self.progress = PullProgress("waiting", 0, 0)
        self.waiters = 0
        self.task: asyncio.Task[ImageFacts]


class Images:
    """The Engine's images, and the pulls in progress."""

    def __init__(self, engine: Engine, *, inactivity_s: float) -> None:
        self._engine = engine
        self._inactivity_s = inactivity_s
        self._pulls: dict[str, Pull] = {}

    async def present(self, reference: str) -> ImageFacts | None:
        """Return the image if the Engine has it."""
        return await self._engine.image(reference)

    @asynccontextmanager
    async def pulling(self, reference: str) -> AsyncIterator[Pull]:
        """Join the pull of an image, or begin it; when the last one leaves early it is given up.

        The pull's task raises EngineNotFound, EngineRefused (also for a pull that stands still) or
        EngineUnavailable.
        """
        pull = self._pulls.get(reference)
        if pull is None:
            pull = self._pulls[reference] = Pull(reference)
            pull.task = asyncio.create_task(self._pull(pull), name=f"pull-{reference}")
        pull.waiters += 1
        try:
            yield pull
        finally:
            pull.waiters -= 1
            if pull.waiters == 0:
                if self._pulls.get(reference) is pull:
                    del self._pulls[reference]
                pull.task.cancel()
                await asyncio.gather(pull.task, return_exceptions=True)

    async def _pull(self, pull: Pull) -> ImageFacts:
        try:
            async with (
                asyncio.timeout(self._inactivity_s) as patience,
                aclosing(self._engine.pull(pull.reference)) as steps,
            ):
                async for pull.progress in steps:
                    patience.reschedule(asyncio.get_running_loop().time() + self._inactivity_s)
        except TimeoutError as failure:
            raise EngineRefused(f"no progress for {self._inactivity_s:g} s") from failure
        finally:
            if self._pulls.get(pull.reference) is pull:
                del self._pulls[pull.reference]
        image = await self._engine.image(pull.reference)
        if image is None:
            raise EngineNotFound(f"{pull.reference} is still missing after its pull")
        return image
