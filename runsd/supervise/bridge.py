"""The network of runs that ask for ``bridge``: the Engine's own, or one in which they do not meet.

The latter is this installation's, and bears its name: two daemons at one Engine have one each. It is there
while the daemon is, and for as long as there are containers of runs. Whoever may use the Engine can take it
away or put another one in its place, so it is looked at before each container that is to join it.
"""

import asyncio

import structlog

from runsd.engine.port import Engine, NetworkFacts
from runsd.errors import EngineError, EngineRefused
from runsd.supervise.naming import INSTANCE, own_network

log = structlog.get_logger()

BRIDGE = "bridge"
# A stuck Engine may be stuck in its networks, and neither start nor end of the daemon waits for that.
_PATIENCE_S = 5.0


class Bridge:
    """What ``bridge`` means on this host. ``networks`` may have the address at which runs reach the host."""

    def __init__(self, engine: Engine, *, instance: str, isolate: bool) -> None:
        self._engine = engine
        self._labels = {INSTANCE: instance}
        self._own = own_network(instance)
        self._isolate = isolate
        self._making = asyncio.Lock()

    @property
    def networks(self) -> tuple[str, ...]:
        """The Engine's own first: runs of both reach its address, also those that were there before."""
        return (BRIDGE, self._own) if self._isolate else (BRIDGE,)

    async def joined_for(self, asked: str) -> str:
        """Return the Engine's network for what a run asks for, made if it is missing.

        Raises EngineRefused where the Engine will not have it, or has another one by its name.
        """
        if asked != BRIDGE or not self._isolate:
            return asked
        found = await self._engine.network(self._own) or await self._made()
        if found is None or not (found.apart and self._is_ours(found)):
            raise EngineRefused(
                f"the Engine's network {self._own} does not keep runs apart; remove it"
                f" (docker network rm {self._own}), and runsd makes it anew"
            )
        return self._own

    async def look(self) -> None:
        """Make the network ready, or tidy away what an earlier setting has left; log what goes wrong."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await (self.joined_for(BRIDGE) if self._isolate else self._remove())
        except (EngineError, TimeoutError) as failure:
            log.warning("bridge.not_ready", network=self._own, error=str(failure))

    async def close(self) -> None:
        """Remove the network, unless a run is in it: then it is the next daemon's."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._remove()
        except (EngineError, TimeoutError) as failure:
            log.warning("bridge.left_behind", network=self._own, error=str(failure))

    async def _made(self) -> NetworkFacts | None:
        async with self._making:  # an earlier one may have made it meanwhile
            if await self._engine.network(self._own) is None:
                await self._engine.create_network(self._own, self._labels)
        return await self._engine.network(self._own)

    async def _remove(self) -> None:
        """Remove the network if it is ours, and no container is in it or was made for it."""
        found = await self._engine.network(self._own)
        if found is None or found.members or not self._is_ours(found):
            return
        if not await self._engine.containers(self._labels):
            await self._engine.remove_network(self._own)

    def _is_ours(self, found: NetworkFacts) -> bool:
        return self._labels.items() <= found.labels.items()
