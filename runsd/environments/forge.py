"""Forge: makes the wheels of what there is only as source, each once however many ask for it."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from runsd.config import EnvironmentSettings
from runsd.engine.port import Engine
from runsd.environments import buildsystem, lock
from runsd.environments.base import Base
from runsd.environments.build import Build
from runsd.environments.fetch import fetch
from runsd.environments.lock import File, Package, Wheel
from runsd.environments.metadata import Metadata
from runsd.environments.requirements import Requirements, requirement
from runsd.environments.resolve import Bench, Resolver, places
from runsd.environments.tree import Tree
from runsd.environments.uv import Uv
from runsd.environments.wheels import Built, Wheels
from runsd.environments.workshop import Workshop
from runsd.errors import DependenciesFailed
from runsd.flights import Flights, Tell

# Each takes a core, and its memory besides what runs have.
_AT_ONCE = 2
# What is built to build what is built, and so on.
_MOST_DEEP = 5
# How often a build may say that it needs still more.
_MOST_TIMES = 3
_DAY_S = 24 * 3600.0
_WHERE = "what its build asks for"


@dataclass(frozen=True, slots=True)
class Order:
    """Which base a wheel is for, where packages come from, and what is being built that needs it."""

    base: Base
    requirements: Requirements
    chain: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What is being built, for a person."""
        return self.chain[-1]

    def below(self, package: Package) -> "Order":
        """Return the order of what a package needs to be built.

        Raises DependenciesFailed where that would go on for ever, or very deep.
        """
        chain = (*self.chain, f"{package.name} {package.version}")
        if chain[-1] in self.chain or len(self.chain) == _MOST_DEEP:
            raise DependenciesFailed(
                f"cannot build {chain[0]}: to be built it needs {', which needs '.join(chain[1:])}"
            )
        return replace(self, chain=chain)


class Forge:
    """Builds what has no wheel, in containers. ``folder`` is where wheels are kept."""

    def __init__(
        self,
        engine: Engine,
        uv: Uv,
        resolver: Resolver,
        workshop: Workshop,
        bench: Bench,
        settings: EnvironmentSettings,
        folder: Path,
    ) -> None:
        self._engine = engine
        self._uv = uv
        self._resolver = resolver
        self._workshop = workshop
        self._bench = bench
        self._settings = settings
        self._wheels = Wheels(folder)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._making: Flights[Built, str] = Flights("wheel")

    async def metadata(self, order: Order, package: Package, tell: Tell) -> Metadata:
        """Return what a package needs that has only its source, as the wheel says that is made of it.

        Raises DependenciesFailed, with the last words of its build where that fails.
        """
        return (await self._built(order, package, tell)).metadata

    async def wheels(self, order: Order, text: str, tell: Tell) -> dict[str, Wheel]:
        """Return the wheels of all packages of a lock that has only their source, by the SHA-256 of that."""
        made = {}
        for package in lock.read(text):
            if package.source is not None:
                made[package.source.sha256] = (await self._built(order, package, tell)).wheel
        return made

    def forget(self) -> None:
        """Remove the wheels that nobody has needed for as long as images are kept."""
        if self._settings.keep_days:
            self._wheels.forget(older_s=self._settings.keep_days * _DAY_S)

    async def _built(self, order: Order, package: Package, tell: Tell) -> Built:
        source = _source(package)
        below = order.below(package)
        key = hashlib.sha256(f"{order.base.image_id} {source.sha256}".encode()).hexdigest()[:32]
        found = await asyncio.to_thread(self._wheels.find, key, package)
        if found is not None:
            return found
        # What is needed on the way is made apart: two that need each other would wait for each other.
        flight = " ".join((key, *order.chain))
        return await self._making.join(flight, lambda all_: self._make(below, package, key, all_.tell), tell)

    async def _make(self, order: Order, package: Package, key: str, tell: Tell) -> Built:
        tell(f"building {order.title} from its source")
        async with self._bench() as place:
            sdist = place / "sdist"
            await fetch(
                _source(package), sdist, self._uv.places(places(order.requirements)),
                within_s=self._settings.build_timeout_seconds,
            )  # fmt: skip
            build = Build(self._engine, self._settings, self._workshop.labels, order.base, order.title, sdist)
            name, wheel = await self._wheel(build, order, tell)
            return await asyncio.to_thread(self._wheels.keep, key, package, name, wheel)

    async def _wheel(self, build: Build, order: Order, tell: Tell) -> tuple[str, Path]:
        async with self._turns, self._workshop.busy():
            system = buildsystem.read(await build.look(tell))
        needed: tuple[str, ...] = system.requires
        for _ in range(_MOST_TIMES):
            async with self._bench() as place:
                tree = await self._tree(order, needed, place, tell) if needed else None
                async with self._turns, self._workshop.busy():
                    answer = await build.make(system, needed, tree, tell)
            if answer.wheel is not None:
                return answer.name, answer.wheel
            needed += answer.requires
        raise DependenciesFailed(
            f"cannot build {order.title}: it asks for more and more: {', '.join(needed)}"
        )

    async def _tree(self, order: Order, lines: Sequence[str], place: Path, tell: Tell) -> Tree:
        """Lay out what is required to build, as a run's requirements are."""
        required = replace(
            order.requirements, constraints=(), hashes=(), python="", uv_lock=None,
            lines=tuple(requirement(line, _WHERE) for line in lines),
        )  # fmt: skip
        try:
            text = await self._resolver.lock(order.base, required, tell, partial(self.metadata, order))
            built = await self.wheels(order, text, tell)
        except DependenciesFailed as failure:
            raise DependenciesFailed(
                f"cannot build {order.title}: what its build requires cannot be had: {failure}"
            ) from failure
        tree = Tree(self._uv, place, timeout_s=self._settings.build_timeout_seconds)
        await tree.install(order.base, text, built, tell)
        await asyncio.to_thread(tree.adapt, order.base)
        return tree


def _source(package: Package) -> File:
    if package.source is None:
        raise AssertionError(f"{package.name} has wheels")
    return package.source
