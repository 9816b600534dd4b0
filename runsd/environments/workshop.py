"""Workshop: makes the image of a lock on a base, and clears away what is left of builds that were cut off."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from runsd.config import EnvironmentSettings
from runsd.engine.port import Engine
from runsd.environments.base import Base
from runsd.environments.lock import Wheel
from runsd.environments.naming import MAKER, WORKSHOP
from runsd.environments.recipe import bake
from runsd.environments.resolve import Bench
from runsd.environments.tree import Tree
from runsd.environments.uv import Uv
from runsd.errors import DependenciesFailed, EngineConflict, EngineRefused, EngineUnavailable
from runsd.flights import Tell

log = structlog.get_logger()

# Each takes a processor for seconds: more at once would be slower for all.
_AT_ONCE = 2


class Workshop:
    """Where images are made. ``bench`` lends empty directories."""

    def __init__(
        self,
        engine: Engine,
        uv: Uv,
        bench: Bench,
        settings: EnvironmentSettings,
        *,
        instance: str,
    ) -> None:
        self._engine = engine
        self._uv = uv
        self._bench = bench
        self._settings = settings
        self._instance = instance
        self._maker = secrets.token_hex(8)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._clearing = asyncio.Lock()
        self._building = 0

    @property
    def labels(self) -> dict[str, str]:
        """The labels of a container that is only needed by who is ``busy`` here."""
        return {WORKSHOP: self._instance, MAKER: self._maker}

    async def make(self, name: str, base: Base, lock: str, built: Mapping[str, Wheel], tell: Tell) -> str:
        """Return the id of the image of that name, which is made where the Engine has none.

        Raises DependenciesFailed, and EngineUnavailable where nothing is known.
        """
        present = await self._engine.image(name)
        if present is not None:
            return present.id
        if self._turns.locked():
            tell("waiting for a turn to install")
        async with self._turns, self.busy():
            await self._make(name, base, lock, built, tell)
        made = await self._engine.image(name)
        if made is None:
            raise EngineUnavailable(f"{name} is missing after it was built")
        return made.id

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Have nothing cleared away that is made meanwhile."""
        async with self._clearing:
            self._building += 1
        try:
            yield
        finally:
            self._building -= 1

    async def clear(self, *, unused: Callable[[], bool]) -> None:
        """Remove containers and images of what was cut off, unless something is going on.

        ``unused`` says of the label's other users that they have no container. What is listed while nothing
        goes on is nobody's. No build may begin meanwhile: it would build on layers that are about to go.
        """
        async with self._clearing:
            containers = await self._engine.containers({WORKSHOP: self._instance})
            for found in containers:  # what runs on, whoever is busy
                if found.labels.get(MAKER, self._maker) != self._maker:
                    await self._engine.remove(found.id)
            images = await self._engine.images()
            if self._building or not unused():
                return
            for found in containers:
                await self._engine.remove(found.id)
            for image in images:
                if not image.names and image.labels.get(WORKSHOP) == self._instance:
                    await self._discard(image.id)

    async def _discard(self, image_id: str) -> None:
        try:
            await self._engine.remove_image(image_id)
        except (EngineConflict, EngineRefused) as failure:
            log.warning("environment.not_cleared", image=image_id, error=str(failure))

    async def _make(self, name: str, base: Base, lock: str, built: Mapping[str, Wheel], tell: Tell) -> None:
        async with self._bench() as place:
            tree = Tree(self._uv, place, timeout_s=self._settings.build_timeout_seconds)
            await tree.install(base, lock, built, tell)
            await asyncio.to_thread(tree.adapt, base)
            tell("building the environment image")
            try:
                await bake(
                    self._engine, self._settings, base, tree,
                    name=name, labels=self.labels, instance=self._instance,
                )  # fmt: skip
            except EngineRefused as failure:
                if failure.leaving:
                    raise failure.as_trouble() from failure
                raise DependenciesFailed(f"cannot build the environment image: {failure}") from failure
            except TimeoutError as failure:
                raise DependenciesFailed(
                    "cannot build the environment image: it takes longer than"
                    f" {self._settings.build_timeout_seconds:g} s (environments.build_timeout_seconds)"
                ) from failure
