"""A sandbox: a container that owns a network namespace and only waits, for one run at a time to join it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runsd.engine import pause
from runsd.engine.namespace import Look, look
from runsd.engine.port import Engine, SandboxRequest
from runsd.errors import EngineNotFound, EngineRefused, EngineUnavailable
from runsd.supervise.bridge import Bridge
from runsd.supervise.naming import INSTANCE, SANDBOX, is_sandbox_name, sandbox_name

IMAGE = "runsd/sandbox:1"
# Where the Engine takes the name servers of a container that it starts (moby: libnetwork/resolvconf, Path).
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One that runs. ``project`` had it last; ``resolvers`` are the host's from before it was made.

    ``new`` is what it looked like then; None where that cannot be seen, and then it is used only once.
    """

    id: str
    network: str
    pid: int
    resolvers: tuple[bytes, ...]
    new: Look | None
    project: str | None = None

    async def as_new(self) -> bool:
        """Say whether nothing can be seen of the runs that have used it."""
        return self.new is not None and await asyncio.to_thread(look, self.id, self.pid) == self.new

    @property
    def up_to_date(self) -> bool:
        """Whether a container that the Engine starts now would get the same name servers."""
        try:
            return self.resolvers == _resolvers()
        except OSError:  # who cannot look does not know
            return False


@dataclass(frozen=True, slots=True)
class Census:
    """The ids of all sandboxes, of those that run, and of those that no run joins and nobody is making."""

    present: set[str]
    running: set[str]
    unused: set[str]


class Workshop:
    """Where sandboxes are made and taken apart. Every call raises what the port's calls raise."""

    def __init__(
        self, engine: Engine, bridge: Bridge, *, instance: str, new_id: Callable[[str], str]
    ) -> None:
        self._engine = engine
        self._bridge = bridge
        self._instance = instance
        self._new_id = new_id
        self._making: set[str] = set()

    async def make(self, network: str) -> Sandbox:
        """Make a sandbox and start it. Raises EngineRefused where there is no program for the processor."""
        name = sandbox_name(self._new_id("sandbox"))
        self._making.add(name)
        try:
            return await self._made(name, network)
        finally:
            self._making.discard(name)

    async def discard(self, sandbox: str) -> None:
        """Take a sandbox apart."""
        await self._engine.remove_sandbox(sandbox)

    async def census(self) -> "Census":
        """Look what sandboxes of this installation there are."""
        labelled = await self._engine.containers({SANDBOX: self._instance})
        found = [one for one in labelled if is_sandbox_name(one.name)]
        runs = await self._engine.containers({INSTANCE: self._instance}) if found else []
        joined = {run.joined for run in runs}
        return Census(
            present={one.id for one in found},
            running={one.id for one in found if one.state == "running"},
            unused={one.id for one in found if one.id not in joined and one.name not in self._making},
        )

    async def _made(self, name: str, network: str) -> Sandbox:
        resolvers = _resolvers()
        joined = await self._bridge.joined_for(network)
        request = SandboxRequest(name, IMAGE, {SANDBOX: self._instance}, joined)
        try:
            made = await self._engine.create_sandbox(request)
        except EngineNotFound:
            await self._engine.import_image(IMAGE, await self._root(), command=pause.PATH)
            made = await self._engine.create_sandbox(request)
        await self._engine.start_sandbox(made)
        facts = await self._engine.inspect(made)
        if facts is None or not facts.pid:
            raise EngineUnavailable(f"cannot keep sandbox {name}: it ended as soon as it was started")
        new = await asyncio.to_thread(look, made, facts.pid)
        return Sandbox(made, network, facts.pid, resolvers, new)

    async def _root(self) -> bytes:
        architecture = (await self._engine.facts()).architecture
        if architecture not in pause.MACHINES:
            raise EngineRefused(f"cannot make a sandbox: there is no program for {architecture} processors")
        return pause.archive(pause.MACHINES[architecture])


def _resolvers() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in _RESOLVERS if path.exists())
