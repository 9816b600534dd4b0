"""Filling: an image with files on top of another one, made once for the same files."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from runsd.engine.port import ContainerRequest, Engine
from runsd.environments.naming import BASE, ENVIRONMENT, WORKSHOP, filled_name
from runsd.environments.workshop import Workshop
from runsd.flights import Flights, Tell

Put = Callable[[str], Awaitable[None]]
"""Puts the files into a container that is never started; what it raises is raised."""

# Each has the Engine write some layers: more at once would be slower for all.
_AT_ONCE = 2
_MIB = 1024**2


class Filling:
    """Where files become images. A container of such an image has them from its first moment, at no cost."""

    def __init__(self, engine: Engine, workshop: Workshop, *, instance: str) -> None:
        self._engine = engine
        self._workshop = workshop
        self._instance = instance
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._flights: Flights[str, str] = Flights("filling")

    async def image(self, below: str, content: str, put: Put, tell: Tell) -> tuple[str, str]:
        """Return name and id of the image that has what ``put`` puts on top of image ``below``."""
        name = filled_name(below, content)
        present = await self._engine.image(name)
        if present is not None:
            return name, present.id
        return name, await self._flights.join(
            name, lambda flight: self._made(name, below, put, flight.tell), tell
        )

    async def _made(self, name: str, below: str, put: Put, tell: Tell) -> str:
        async with self._turns, self._workshop.busy():
            tell("putting the program into an image")
            container = await self._engine.create(self._request(below))
            try:
                await put(container)
                labels = {ENVIRONMENT: self._instance, BASE: below, WORKSHOP: ""}
                return await self._engine.commit(container, name=name, labels=labels)
            finally:
                await self._engine.remove(container)

    def _request(self, below: str) -> ContainerRequest:
        return ContainerRequest(
            name=f"runsd-filling-{secrets.token_hex(8)}",
            image=below,
            entrypoint=["python"],
            args=None,
            env={},
            labels=self._workshop.labels,
            cpu_milli=1000,
            memory_bytes=64 * _MIB,
            shm_bytes=_MIB,
            mounts=(),
            network="none",
            workdir=None,
            user=None,
            cgroup_parent=None,
            log_max_bytes=_MIB,
        )
