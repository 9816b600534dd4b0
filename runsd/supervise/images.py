"""Images: present, or pulled once however many runs wait for the same one."""

import asyncio
from contextlib import AbstractAsyncContextManager, aclosing

from runsd.engine.port import Engine, ImageFacts, PullProgress
from runsd.errors import EngineNotFound, EngineRefused
from runsd.flights import Flight, Flights

Pull = Flight[ImageFacts, PullProgress]
"""A pull in progress that any number of runs await."""


class Images:
    """The Engine's images, and the pulls in progress."""

    def __init__(self, engine: Engine, *, inactivity_s: float) -> None:
        self._engine = engine
        self._inactivity_s = inactivity_s
        self._pulls: Flights[ImageFacts, PullProgress] = Flights("pull")

    async def present(self, reference: str) -> ImageFacts | None:
        """Return the image if the Engine has it."""
        return await self._engine.image(reference)

    def pulling(self, reference: str) -> AbstractAsyncContextManager[Pull]:
        """Join the pull of an image, or begin it; when the last one leaves early it is given up.

        The pull's task raises EngineNotFound, EngineRefused (also for a pull that stands still) or
        EngineUnavailable.
        """
        return self._pulls.joining(reference, lambda pull: self._pull(reference, pull))

    async def _pull(self, reference: str, pull: Pull) -> ImageFacts:
        try:
            async with (
                asyncio.timeout(self._inactivity_s) as patience,
                aclosing(self._engine.pull(reference)) as steps,
            ):
                async for progress in steps:
                    pull.tell(progress)
                    patience.reschedule(asyncio.get_running_loop().time() + self._inactivity_s)
        except TimeoutError as failure:
            raise EngineRefused(f"no progress for {self._inactivity_s:g} s") from failure
        finally:
            pull.close()
        image = await self._engine.image(reference)
        if image is None:
            raise EngineNotFound(f"{reference} is still missing after its pull")
        return image
