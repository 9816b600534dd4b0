"""The Docker Engine behind the port: one method per question, each of them one or two calls."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from docker.errors import DockerException

from runsd import faults
from runsd.engine import facts, registry
from runsd.engine.archive import copy, put, take
from runsd.engine.body import create_body, network_body, sandbox_body
from runsd.engine.frames import Frames, Piece
from runsd.engine.port import (
    Confinement,
    ContainerFacts,
    ContainerRequest,
    ContainerState,
    Engine,
    EngineFacts,
    Found,
    FoundImage,
    ImageFacts,
    NetworkFacts,
    Overdue,
    PullProgress,
    SandboxRequest,
    UsageSample,
)
from runsd.engine.progress import Layers, objects
from runsd.engine.transport import Transport, quoted
from runsd.engine.untouched import Untouched
from runsd.errors import EngineConflict, EngineNotFound, EngineRefused, EngineUnavailable
from runsd.faults import Step, effect

START_TIMEOUT_S = 120.0
PING_TIMEOUT_S = 10.0
# All files of the container's own are read and written again.
COMMIT_TIMEOUT_S = 600.0
# Buffers hold 300 KiB and more meanwhile, so this slows no program that writes less than 150 MB/s.
_FLOOD_PAUSE_S = 0.002

_ABSENT = re.compile(
    r"manifest unknown|name unknown|repository does not exist|pull access denied|no matching manifest"
    r"|(manifest for|repository|artifact) .*not found|: not found$",
    re.IGNORECASE,
)


class DockerEngine(Engine):
    """A Docker Engine of API 1.41 or newer. Making one asks nothing: the Engine may be down."""

    def __init__(self, transport: Transport, confinement: Confinement) -> None:
        self._transport = transport
        self._confinement = confinement
        self._untouched = Untouched()

    @classmethod
    def at(cls, host: str, confinement: Confinement = Confinement()) -> "DockerEngine":  # noqa: B008 - frozen
        """Return the Engine at ``unix:///path`` or ``tcp://host:port``."""
        return cls(Transport(host), confinement)

    async def ping(self) -> None:
        """Return when the Engine answers and speaks a version that runsd speaks."""
        await self._transport.json("GET", "/_ping", timeout_s=PING_TIMEOUT_S, versioned=False)
        await self._transport.api_version()

    def overdue(self) -> Overdue | None:
        """Return the call that has been waiting longest for its answer."""
        return self._transport.calls.longest()

    async def facts(self) -> EngineFacts:
        """Describe the Engine."""
        version = await self._transport.json("GET", "/version")
        info = await self._transport.json("GET", "/info")
        return facts.engine(version, info, api_version=await self._transport.api_version())

    async def image(self, reference: str) -> ImageFacts | None:
        """Return the image if it is present."""
        try:
            inspected = await self._transport.json("GET", f"/images/{quoted(reference)}/json")
        except EngineNotFound:
            return None
        return facts.image(inspected, reference)

    async def pull(self, reference: str) -> AsyncGenerator[PullProgress]:
        """Pull an image (``:latest`` without a tag) with the credentials of the Docker configuration.

        There is no bound on its length, not even on the first answer: a registry may be slow. Raises
        EngineNotFound when the registry says that there is no such image, else EngineRefused.
        """
        faults.before(Step.PULL)
        repository, tag = facts.split_reference(reference)
        authorization = await registry.authorization(reference)
        layers = Layers()
        try:
            async with self._transport.stream(
                "POST",
                "/images/create",
                query={"fromImage": repository, "tag": tag},
                headers={"X-Registry-Auth": authorization} if authorization else None,
                answer_timeout_s=None,
            ) as chunks:
                async for event in objects(chunks):
                    yield layers.after(event)
            faults.after(Step.PULL)
        except EngineRefused as refusal:
            if _ABSENT.search(str(refusal)):
                raise EngineNotFound(str(refusal), status=refusal.status) from refusal
            raise

    @effect(Step.CREATE)
    async def create(self, request: ContainerRequest) -> str:
        """Make a container, or adopt the one of that name that bears all the request's labels."""
        try:
            body = create_body(request, self._confinement)
            created = await self._transport.json(
                "POST", "/containers/create", query={"name": request.name}, body=body
            )
        except EngineConflict as conflict:
            present = await self.inspect(request.name)
            if present is None or not request.labels.items() <= present.labels.items():
                raise EngineConflict(str(conflict), status=conflict.status) from conflict
            return present.id
        except DockerException as failure:
            raise EngineRefused(f"cannot describe container {request.name}: {failure}") from failure
        self._untouched.add(created["Id"], request)
        return str(created["Id"])

    @asynccontextmanager
    async def attach(self, container: str) -> AsyncGenerator[AsyncIterator[Piece]]:
        """Open the live output of a created container; entered once the Engine has answered.

        The Engine sends its answer's head just before it joins the output, microseconds against the 50 ms
        and more that the quickest start takes (its own command line relies on the same). The answer has no
        length, so a connection that is lost between two frames looks like the end.
        """
        faults.before(Step.ATTACH)
        async with self._transport.stream(
            "POST",
            f"/containers/{quoted(container)}/attach",
            query={"stream": "1", "stdout": "1", "stderr": "1"},
        ) as chunks:
            faults.after(Step.ATTACH)
            yield Frames(chunks, pause_s=_FLOOD_PAUSE_S)

    @asynccontextmanager
    async def logs(
        self, container: str, *, follow: bool, last_lines: int | None = None
    ) -> AsyncGenerator[AsyncIterator[Piece]]:
        """Open the Engine's own record of the output, from its first byte or its last lines to its end."""
        async with self._transport.stream(
            "GET",
            f"/containers/{quoted(container)}/logs",
            query={
                "stdout": "1",
                "stderr": "1",
                "follow": "1" if follow else "0",
                "tail": "all" if last_lines is None else str(last_lines),
            },
        ) as chunks:
            yield Frames(chunks)

    @effect(Step.PUT_FILES)
    async def put_files(self, container: str, folder: str, archive: AsyncIterator[bytes]) -> None:
        """Unpack a tar archive in a folder of a container."""
        await put(self._transport, container, folder, archive)

    async def take_file(self, container: str, path: str, *, most_bytes: int) -> bytes | None:
        """Return a file of a container that has at most so many bytes."""
        return await take(self._transport, container, path, most_bytes=most_bytes)

    async def copy_file(self, container: str, path: str, goal: Path, *, most_bytes: int) -> bool:
        """Write a file of a container that has at most so many bytes to this host."""
        return await copy(self._transport, container, path, goal, most_bytes=most_bytes)

    @effect(Step.START)
    async def start(self, container: str) -> None:
        """Start a created container; one that was started already is left alone.

        The Engine itself would run an exited container a second time.
        """
        present = self._untouched.take(container) or await self.inspect(container)
        if present is None:
            raise EngineNotFound(f"No such container: {container}", status=404)
        if present.state is ContainerState.CREATED:
            await self._transport.json(
                "POST", f"/containers/{quoted(container)}/start", timeout_s=START_TIMEOUT_S
            )

    @effect(Step.EXIT)
    async def wait(self, container: str) -> None:
        """Return when the container is not running; one that was never started is not running."""
        async with self._transport.stream(
            "POST", f"/containers/{quoted(container)}/wait", query={"condition": "not-running"}
        ) as chunks:
            answer = b"".join([chunk async for chunk in chunks])
        try:
            json.loads(answer)["StatusCode"]
        except (ValueError, KeyError, TypeError) as failure:
            raise EngineUnavailable(
                f"cannot wait for container {container}: the answer broke off"
            ) from failure

    async def inspect(self, container: str) -> ContainerFacts | None:
        """Return what is known of a container by id or name, or None when there is none."""
        if (made := self._untouched.get(container)) is not None:
            return made
        try:
            return facts.container(await self._transport.json("GET", f"/containers/{quoted(container)}/json"))
        except EngineNotFound:
            return None

    @effect(Step.KILL)
    async def kill(self, container: str, signal: str) -> bool:
        """Send a signal; False when the container was not running any more, or is gone."""
        try:
            await self._transport.json(
                "POST", f"/containers/{quoted(container)}/kill", query={"signal": signal}
            )
        except (EngineNotFound, EngineConflict):
            return False
        return True

    @effect(Step.REMOVE)
    async def remove(self, container: str) -> None:
        """Remove a container (forced) and the nameless volumes that its image made for it, never a named one.

        One that is gone, or going, is fine.
        """
        self._untouched.take(container)
        await self._remove(container)

    async def containers(self, labels: Mapping[str, str]) -> list[Found]:
        """List containers in any state that bear all these labels."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        listed = await self._transport.json(
            "GET", "/containers/json", query={"all": "1", "filters": json.dumps(filters)}
        )
        return [facts.found(entry) for entry in listed]

    async def sample(self, container: str) -> UsageSample | None:
        """Measure a running container; None when it is not running."""
        query = {"stream": "false", "one-shot": "true"}
        try:
            stats = await self._transport.json("GET", f"/containers/{quoted(container)}/stats", query=query)
        except (EngineNotFound, EngineConflict):
            return None
        return facts.usage(stats)

    @effect(Step.IMPORT_SANDBOX)
    async def import_image(self, name: str, root: bytes, *, command: str) -> None:
        """Make an image from a root file system (a tar archive) and tag it."""
        repository, tag = facts.split_reference(name)
        query = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": f'CMD ["{command}"]'}
        layers = Layers()
        try:
            async with (
                asyncio.timeout(START_TIMEOUT_S),
                self._transport.stream("POST", "/images/create", query=query, body=root) as chunks,
            ):
                async for event in objects(chunks):
                    layers.after(event)  # raises what the Engine says has failed
        except TimeoutError as failure:
            raise EngineUnavailable(f"cannot import {name}: no answer in {START_TIMEOUT_S:g} s") from failure

    @effect(Step.COMMIT_IMAGE)
    async def commit(
        self, container: str, *, name: str, labels: Mapping[str, str], user: str | None = None
    ) -> str:
        """Make an image of a container's files, name it, and return its id."""
        repository, tag = facts.split_reference(name)
        made = await self._transport.json(
            "POST",
            "/commit",
            query={"container": container, "repo": repository, "tag": tag, "pause": "0"},
            # Empty, not absent: that would be the container's.
            body={"Labels": dict(labels), "User": user or "", "Entrypoint": []},
            timeout_s=COMMIT_TIMEOUT_S,
        )
        return str(made["Id"])

    async def images(self) -> list[FoundImage]:
        """List the images that have a name, or that no other one is made from."""
        return [facts.found_image(entry) for entry in await self._transport.json("GET", "/images/json")]

    @effect(Step.REMOVE_IMAGE)
    async def remove_image(self, reference: str) -> None:
        """Remove an image, and what it is made from as far as nothing else is."""
        try:
            await self._transport.json("DELETE", f"/images/{quoted(reference)}")
        except EngineNotFound:
            return

    @effect(Step.CREATE_SANDBOX)
    async def create_sandbox(self, request: SandboxRequest) -> str:
        """Make a sandbox and return its id."""
        created = await self._transport.json(
            "POST", "/containers/create", query={"name": request.name}, body=sandbox_body(request)
        )
        return str(created["Id"])

    @effect(Step.START_SANDBOX)
    async def start_sandbox(self, container: str) -> None:
        """Start a sandbox, also one that has run before; one that runs is left alone."""
        await self._transport.json(
            "POST", f"/containers/{quoted(container)}/start", timeout_s=START_TIMEOUT_S
        )

    @effect(Step.REMOVE_SANDBOX)
    async def remove_sandbox(self, container: str) -> None:
        """Remove a sandbox, if it is there."""
        await self._remove(container)

    async def gateway(self, network: str) -> str | None:
        """Return the IPv4 address of the host in a network; None without such a network or address."""
        try:
            return facts.gateway(await self._transport.json("GET", f"/networks/{quoted(network)}"))
        except EngineNotFound:
            return None

    async def network(self, name: str) -> NetworkFacts | None:
        """Return what is known of a network, or None when there is none."""
        try:
            return facts.network(await self._transport.json("GET", f"/networks/{quoted(name)}"))
        except EngineNotFound:
            return None

    @effect(Step.CREATE_NETWORK)
    async def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a network in which containers do not reach each other, and else like the default one."""
        try:
            default = await self._transport.json("GET", "/networks/bridge")
        except EngineNotFound:
            default = {}
        body = network_body(name, labels, default=default.get("Options") or {})
        try:
            await self._transport.json("POST", "/networks/create", body=body)
        except EngineConflict:  # the name is taken, by an earlier try for one
            return

    @effect(Step.REMOVE_NETWORK)
    async def remove_network(self, name: str) -> None:
        """Remove a network. Raises EngineRefused when a container is in it; one that is gone is fine."""
        try:
            await self._transport.json("DELETE", f"/networks/{quoted(name)}")
        except EngineNotFound:
            return

    @effect(Step.CREATE_VOLUME)
    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one of that name is left as it is."""
        body: dict[str, Any] = {"Name": name, "Labels": dict(labels)}
        await self._transport.json("POST", "/volumes/create", body=body)

    async def volume_exists(self, name: str) -> bool:
        """Say whether the Engine has that volume."""
        try:
            await self._transport.json("GET", f"/volumes/{quoted(name)}")
        except EngineNotFound:
            return False
        return True

    @effect(Step.REMOVE_VOLUME)
    async def remove_volume(self, name: str) -> None:
        """Remove a volume. Raises EngineConflict when a container uses it; one that is gone is fine."""
        try:
            await self._transport.json("DELETE", f"/volumes/{quoted(name)}")
        except EngineNotFound:
            return

    async def close(self) -> None:
        """Release connections. Containers are not touched."""
        await self._transport.close()

    async def _remove(self, container: str) -> None:
        try:
            await self._transport.json(
                "DELETE", f"/containers/{quoted(container)}", query={"force": "1", "v": "1"}
            )
        except EngineNotFound:
            return
        except EngineConflict as conflict:
            if "already in progress" not in str(conflict):
                raise
