"""Environments: an image that has what a run requires, made once however many runs ask for it."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from runsd.clock import Clock
from runsd.config import EnvironmentSettings
from runsd.engine.port import Engine, ImageFacts
from runsd.environments.base import Base, Bases, check_version
from runsd.environments.benches import Benches
from runsd.environments.collection import Collector
from runsd.environments.filling import Filling, Put
from runsd.environments.forge import Forge, Order
from runsd.environments.naming import image_name
from runsd.environments.notes import Notes
from runsd.environments.requirements import Requirements
from runsd.environments.resolve import Resolver
from runsd.environments.tree import VENV
from runsd.environments.uses import Uses
from runsd.environments.uv import Uv
from runsd.environments.workshop import Workshop
from runsd.errors import DependenciesFailed, RunsdError
from runsd.flights import Flight, Flights, Tell

log = structlog.get_logger()

_EVERY_S = 3600.0
_SOON_S = 60.0

InUse = Callable[[], Awaitable[Collection[str]]]
"""Returns the ids of the images that live runs are made from, or will be."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An image to make the container from, the lock that it has (empty without requirements), and its Python.

    ``made`` says that it was not there before.
    """

    image_id: str
    lock: str
    base: Base
    made: bool = False

    @property
    def python(self) -> str:
        """The path of the Python that has it all; the same whatever the container's PATH is."""
        return f"{VENV}/bin/python" if self.lock else self.base.interpreter


class Environments:
    """All environments of one installation, with what is kept for them in ``folder``."""

    def __init__(
        self,
        engine: Engine,
        settings: EnvironmentSettings,
        folder: Path,
        *,
        instance: str,
        clock: Clock,
        in_use: InUse,
    ) -> None:
        self._settings = settings
        self._in_use = in_use
        self._engine = engine
        self._uv = Uv(settings, folder)
        self._benches = Benches(folder / "work")
        self._bases = Bases(engine, Notes(folder / "bases"), instance=instance)
        self._resolver = Resolver(self._uv, Notes(folder / "locks"), self._benches.lend, settings)
        self._workshop = Workshop(engine, self._uv, self._benches.lend, settings, instance=instance)
        self._forge = Forge(
            engine, self._uv, self._resolver, self._workshop, self._benches.lend, settings, folder / "wheels"
        )  # fmt: skip
        self._filling = Filling(engine, self._workshop, instance=instance)
        self._uses = Uses(folder / "uses")
        self._collector = Collector(engine, self._uses, settings, instance=instance, clock=clock)
        self._asking: Flights[Base, str] = Flights("base")
        self._resolving: Flights[str, str] = Flights("lock")
        self._making: Flights[str, str] = Flights("environment")

    async def ready(
        self,
        image: ImageFacts,
        requirements: Requirements,
        *,
        on_progress: Tell,
        version: str | None = None,
        lock: str | None = None,
    ) -> Ready:
        """Return an image with these requirements on top of that one, and the lock that says what is in it.

        With a ``lock`` exactly that is installed, and nothing is resolved. ``version`` is what the image's
        Python must be, as far as it is said (``3.12``, ``3.12.1``). ``on_progress`` gets lines for a person.
        Work is shared: who is cancelled leaves it to the others, and the last one ends it.

        Raises DependenciesFailed when it cannot be; EngineNotFound when the image is gone; EngineRefused and
        EngineUnavailable as the Engine's calls do.
        """
        try:
            return await self._ready(image.id, requirements, version, lock, on_progress)
        except OSError as failure:
            raise DependenciesFailed(f"cannot make the environment: {failure}") from failure

    async def filled(self, ready: Ready, content: str, put: Put, *, on_progress: Tell) -> str:
        """Return the id of an image with files on top of a ready one: what ``put`` puts into a container.

        ``content`` says what that is: for the same ``put`` is called once, however many ask.
        Raises what ``put`` raises, and what the Engine's calls do.
        """
        name, image_id = await self._filling.image(ready.image_id, content, put, on_progress)
        await asyncio.to_thread(self._uses.note, name)
        return image_id

    async def collect(self) -> list[str]:
        """Remove images that are too old or too many, and what is left of builds; return whose names."""
        await self._workshop.clear(unused=lambda: not self._asking)
        removed = await self._collector.collect(await self._in_use())
        await asyncio.to_thread(self._resolver.forget)
        await asyncio.to_thread(self._forge.forget)
        if await asyncio.to_thread(self._cache_is_full) and not (self._resolving or self._making):
            dropped = self._uv.cache.with_name("cache.dropped")
            self._uv.cache.rename(dropped)  # at once: the next uv finds none, and not half of one
            await asyncio.to_thread(shutil.rmtree, dropped, ignore_errors=True)
            log.info("environment.cache_dropped")
        return removed

    async def serve(self) -> None:
        """Clear away what earlier daemons have left, then collect now and then, as long as this one lives."""
        await asyncio.to_thread(self._benches.clear)
        pause_s = _SOON_S  # an Engine may be ending a build that an earlier daemon has left just now
        while True:
            try:
                await self.collect()
            except (RunsdError, OSError) as failure:
                log.warning("environment.not_collected", error=str(failure))
                pause_s = _SOON_S
            await asyncio.sleep(pause_s)
            pause_s = _EVERY_S

    async def _ready(
        self, image_id: str, requirements: Requirements, version: str | None, lock: str | None, tell: Tell
    ) -> Ready:
        base = await self._base(image_id, tell)
        check_version(base, version)
        if lock is None:
            lock = "" if requirements.empty else await self._lock(base, requirements, tell)
        if not lock:
            return Ready(image_id, "", base)
        name = image_name(image_id, lock)
        present = await self._engine.image(name)
        made = await self._image(name, base, requirements, lock, tell) if present is None else present.id
        await asyncio.to_thread(self._uses.note, name)
        return Ready(made, lock, base, made=present is None)

    async def _base(self, image_id: str, tell: Tell) -> Base:
        known = self._bases.known(image_id)
        if known is not None:
            return known
        return await self._asking.join(image_id, lambda _: self._bases.ask(image_id), tell)

    async def _lock(self, base: Base, requirements: Requirements, tell: Tell) -> str:
        key = f"{requirements.digest()} {base.image_id}"
        build = partial(self._forge.metadata, Order(base, requirements))
        return await self._resolving.join(
            key, lambda flight: self._resolver.lock(base, requirements, flight.tell, build), tell
        )

    async def _image(self, name: str, base: Base, requirements: Requirements, lock: str, tell: Tell) -> str:
        async def make(flight: Flight[str, str]) -> str:
            built = await self._forge.wheels(Order(base, requirements), lock, flight.tell)
            return await self._workshop.make(name, base, lock, built, flight.tell)

        return await self._making.join(name, make, tell)

    def _cache_is_full(self) -> bool:
        most = self._settings.cache_bytes
        own = self._settings.cache_directory is None
        return own and most > 0 and _size(self._uv.cache) > most


def _size(folder: Path) -> int:
    """Return how many bytes a folder's files have."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
