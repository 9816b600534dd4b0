"""The seam to whatever runs containers: what the daemon asks, and the facts it gets.

Every call may raise ``errors.EngineUnavailable`` (nothing is known) and ``errors.EngineRefused`` (a fact).
Facts are the Engine's own; instants are microseconds since the epoch by the Engine's clock, rounded down.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Protocol

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the Engine puts into the environment of a container whose image says none."""


class Stream(IntEnum):
    """Where a byte of output came from. Values 1 and 2 are the Engine's frame types."""

    SYSTEM = 0
    STDOUT = 1
    STDERR = 2


class ContainerState(StrEnum):
    """What matters of the Engine's container states."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume of the Engine, and where the container sees it."""

    volume: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory of the Engine's host, and where the container sees it; it can only be read there."""

    source: str
    path: str


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds for every container that executes something of an image, whoever asks for it.

    ``runtime`` None is the Engine's default; a request may name another.
    """

    runtime: str | None = None
    max_processes: int = 4096


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """One container to make. ``entrypoint`` None keeps the image's own; ``[]`` is never sent.

    With a ``sandbox`` (a container's id) it joins that one's network namespace and makes none of its own.
    If it is ``read_only`` nothing can be written but its volumes, /tmp, and the ``kept`` folders.
    A ``runtime`` stands in the place of the confinement's.
    """

    name: str
    image: str
    entrypoint: Sequence[str] | None
    args: Sequence[str] | None
    env: Mapping[str, str]
    labels: Mapping[str, str]
    cpu_milli: int
    memory_bytes: int
    shm_bytes: int
    mounts: Sequence[Mount]
    network: str
    workdir: str | None
    user: str | None
    cgroup_parent: str | None
    log_max_bytes: int
    sandbox: str | None = None
    binds: Sequence[Bind] = ()
    read_only: bool = False
    kept: Sequence[str] = ()
    runtime: str | None = None

    @property
    def log_file_bytes(self) -> int:
        """At which size a file of its record is full.

        One file holds the cap of ordinary lines with what the Engine writes around them; lines of a few bytes
        cost more.
        """
        return 2 * self.log_max_bytes


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """A container that only waits, for another one to join its network namespace."""

    name: str
    image: str
    labels: Mapping[str, str]
    network: str


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the Engine knows of a container. ``error`` is its own sentence, empty when none.

    ``log_file_bytes`` is the size at which a file of its record is full; None when it grows without end.
    ``joined`` is the id of the container whose network namespace it shares.
    """

    id: str
    name: str
    state: ContainerState
    exit_code: int
    oom_killed: bool
    error: str
    started_us: int | None
    finished_us: int | None
    pid: int
    labels: Mapping[str, str]
    log_file_bytes: int | None = None
    joined: str | None = None

    @property
    def has_run(self) -> bool:
        """Whether its program was started, though the Engine may not know when."""
        known = self.started_us is not None or self.finished_us is not None
        return known or self.state is ContainerState.RUNNING


@dataclass(frozen=True, slots=True)
class Found:
    """A container of ours in the Engine's list; ``joined`` has the network namespace that it shares."""

    id: str
    name: str
    state: str
    created_us: int
    labels: Mapping[str, str]
    joined: str | None = None


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image that is present: its id (``sha256:…``), its digest if it came from a registry, its labels.

    ``path`` is the PATH of its containers.
    """

    id: str
    digest: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    path: str = DEFAULT_PATH


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image in the Engine's list. ``bytes`` is its size with all that it is made from."""

    id: str
    names: Sequence[str]
    bytes: int
    created_us: int
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network of the Engine. In one that is ``apart`` containers reach the world, and not each other.

    ``members`` are the ids of the containers that run in it.
    """

    apart: bool
    labels: Mapping[str, str]
    members: Collection[str]


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is, in bytes over all layers known so far; ``status`` is the Engine's word."""

    status: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The Engine's own description. ``identity`` tells it from every other that may answer here one day."""

    version: str
    api_version: str
    architecture: str
    cgroup_driver: str
    cgroup_version: int
    log_driver: str
    storage_driver: str
    cpus: int
    memory_bytes: int
    live_restore: bool
    root_dir: str
    identity: str
    system_time_us: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """A call without an answer: its kind (``container start``), and for how many seconds."""

    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class UsageSample:
    """Processor time used so far and memory in use, of a running container."""

    cpu_us: int
    memory_bytes: int
    memory_peak_bytes: int | None


class Engine(Protocol):
    """What runsd needs of a container engine."""

    async def ping(self) -> None:
        """Return when the Engine answers."""

    async def facts(self) -> EngineFacts:
        """Describe the Engine."""

    def overdue(self) -> Overdue | None:
        """Return the call that has been waiting longest for its answer, also one that was given up."""

    async def image(self, reference: str) -> ImageFacts | None:
        """Return the image if it is present."""

    def pull(self, reference: str) -> AsyncGenerator[PullProgress]:
        """Pull an image. Raises EngineNotFound (no such image) or EngineRefused (any other failure).

        Whoever leaves before its end closes it (``contextlib.aclosing``), and the Engine stops pulling.
        """

    async def create(self, request: ContainerRequest) -> str:
        """Make a container, or adopt ours of that name, and return its id.

        Raises EngineNotFound when the image is missing, EngineConflict when the name belongs to a stranger.
        """

    def attach(self, container: str) -> AbstractAsyncContextManager[AsyncIterator[tuple[Stream, bytes]]]:
        """Open the live output of a created container. The stream's end says nothing but that it ended."""

    def logs(
        self, container: str, *, follow: bool, last_lines: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[Stream, bytes]]]:
        """Open the Engine's own record of the output, from the first byte that it has or from its last lines.

        A clean end is the end of the log; a broken stream raises EngineUnavailable. A followed one may leave
        out and repeat output from the moment on in which the Engine begins a new file of its record.
        """

    async def put_files(self, container: str, folder: str, archive: AsyncIterator[bytes]) -> None:
        """Unpack a tar archive in a folder of a container, over what is there; what it raises is raised."""

    async def take_file(self, container: str, path: str, *, most_bytes: int) -> bytes | None:
        """Return a file of a container, running or not; None if there is none, or one of more bytes."""

    async def copy_file(self, container: str, path: str, goal: Path, *, most_bytes: int) -> bool:
        """Write a file of a container to this host; False if there is none, or one of more bytes."""

    async def start(self, container: str) -> None:
        """Start a created container; one that was started already is left alone."""

    async def wait(self, container: str) -> None:
        """Return when the container is not running. Raises EngineNotFound when it is gone."""

    async def inspect(self, container: str) -> ContainerFacts | None:
        """Return what is known of a container by id or name, or None when there is none."""

    async def kill(self, container: str, signal: str) -> bool:
        """Send a signal; False when the container was not running any more, or is gone."""

    async def remove(self, container: str) -> None:
        """Remove a container (forced) with its nameless volumes, and never a named one; if it is there."""

    async def containers(self, labels: Mapping[str, str]) -> list[Found]:
        """List containers in any state that bear all these labels."""

    async def sample(self, container: str) -> UsageSample | None:
        """Measure a running container; None when it is not running."""

    async def import_image(self, name: str, root: bytes, *, command: str) -> None:
        """Make an image from a root file system (a tar archive) and tag it."""

    async def commit(
        self, container: str, *, name: str, labels: Mapping[str, str], user: str | None = None
    ) -> str:
        """Make an image of a container's files, and return its id.

        It has the container's settings, but no entrypoint, these labels over its own, and the user if one is
        given.
        """

    async def images(self) -> list[FoundImage]:
        """List the images that have a name, or that no other one is made from."""

    async def remove_image(self, reference: str) -> None:
        """Remove an image. Raises EngineConflict when a container uses it; one that is gone is fine."""

    async def create_sandbox(self, request: SandboxRequest) -> str:
        """Make a sandbox and return its id. Raises EngineNotFound when the image is missing."""

    async def start_sandbox(self, container: str) -> None:
        """Start a sandbox, also one that has run before; one that runs is left alone."""

    async def remove_sandbox(self, container: str) -> None:
        """Remove a sandbox, if it is there."""

    async def gateway(self, network: str) -> str | None:
        """Return the IPv4 address of the host in a network; None without such a network or address."""

    async def network(self, name: str) -> NetworkFacts | None:
        """Return what is known of a network, or None when there is none."""

    async def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a network in which containers do not reach each other; one of that name is left as it is."""

    async def remove_network(self, name: str) -> None:
        """Remove a network. Raises EngineRefused when a container is in it; one that is gone is fine."""

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one of that name is left as it is."""

    async def volume_exists(self, name: str) -> bool:
        """Say whether the Engine has that volume."""

    async def remove_volume(self, name: str) -> None:
        """Remove a volume. Raises EngineConflict when a container uses it; one that is gone is fine."""

    async def close(self) -> None:
        """Release connections. Containers are not touched."""
