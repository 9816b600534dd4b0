"""Base: what the Python of a base image is, asked once per image."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runsd.engine.port import ContainerRequest, Engine, Stream
from runsd.environments.naming import WORKSHOP
from runsd.environments.notes import Notes
from runsd.errors import DependenciesFailed, EngineRefused

_PROBE = Path(__file__).with_name("probe.py")
_NAMES = ("python", "python3")
_MEMORY_BYTES = 256 * 1024**2
_ANSWERS_WITHIN_S = 120.0
_NOT_FOUND = (126, 127)
# The newest C library that uv knows by name; older wheels fit newer libraries.
_GLIBC = (17, 28, *range(31, 41))


@dataclass(frozen=True, slots=True)
class Base:
    """The Python of one base image. ``base_interpreter`` is the one below a virtual environment, if any.

    ``inherited`` are the directories of that virtual environment, ``user`` is whom the image runs as.
    """

    image_id: str
    version: str
    interpreter: str
    base_interpreter: str
    machine: str
    libc: str
    user: str
    free_threaded: bool
    inherited: tuple[str, ...]
    markers: Mapping[str, str]

    @property
    def platform(self) -> str:
        """The platform in uv's words. Raises DependenciesFailed where there are no wheels for it."""
        kind, _, version = self.libc.partition(" ")
        numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
        if self.machine in ("x86_64", "aarch64"):
            if kind == "musl":
                return f"{self.machine}-unknown-linux-musl"
            fitting = [minor for minor in _GLIBC if kind == "glibc" and [2, minor] <= numbers]
            if fitting:
                return f"{self.machine}-manylinux_2_{fitting[-1]}"
        raise DependenciesFailed(
            f"cannot install for {self.machine} with {self.libc or 'an unknown C library'}: there are wheels"
            " for x86_64 and aarch64, with glibc 2.17 or newer or with musl"
        )

    @property
    def title(self) -> str:
        """What it is, for a person."""
        return f"Python {self.version} on {self.machine} with {self.libc}"


class Bases:
    """What is known of base images. An image's id is its content's, so what was once found out stays true."""

    def __init__(self, engine: Engine, notes: Notes, *, instance: str) -> None:
        self._engine = engine
        self._notes = notes
        self._instance = instance
        self._known: dict[str, Base] = {}

    def known(self, image_id: str) -> Base | None:
        """Return what is known without asking."""
        return self._known.get(image_id)

    async def ask(self, image_id: str) -> Base:
        """Ask the image's Python what it is, in a container without network.

        Raises DependenciesFailed when the image has no Python that environments can be made for, and what the
        Engine raises.
        """
        key = image_id.replace(":", "-")
        found = self._notes.read(key)
        if found is None:
            found = await self._probe(image_id)
            self._notes.write(key, found)
        base = _base(image_id, found)
        self._known[image_id] = base
        return base

    async def _probe(self, image_id: str) -> Any:
        for name in _NAMES:
            said = await self._run(image_id, name)
            if said is not None:
                return _facts(said)
        raise DependenciesFailed(
            "cannot use the image for a Python run: it has neither python nor python3 on its PATH;"
            " choose an image that has"
        )

    async def _run(self, image_id: str, program: str) -> str | None:
        """Return what the probe prints, or None where there is no such program."""
        container = await self._engine.create(self._request(image_id, program))
        try:
            refusal = None
            try:
                await self._engine.start(container)
                async with asyncio.timeout(_ANSWERS_WITHIN_S):
                    await self._engine.wait(container)
            except EngineRefused as failure:
                refusal = failure
            except TimeoutError as failure:
                raise DependenciesFailed(
                    f"cannot use the image for a Python run: its {program} does not say what it is"
                    f" within {_ANSWERS_WITHIN_S:g} s"
                ) from failure
            facts = await self._engine.inspect(container)
            if facts is not None and facts.exit_code in _NOT_FOUND:
                return None
            if refusal is not None:
                raise refusal
            said = await self._said(container)
        finally:
            await self._engine.remove(container)
        if facts is None or facts.exit_code:
            end = said[Stream.STDERR].decode(errors="replace").strip()[-500:]
            raise DependenciesFailed(
                f"cannot use the image for a Python run: its {program} cannot say what it is: {end}"
            )
        return said[Stream.STDOUT].decode(errors="replace")

    async def _said(self, container: str) -> dict[Stream, bytes]:
        said = {Stream.STDOUT: b"", Stream.STDERR: b""}
        async with self._engine.logs(container, follow=False, last_lines=100) as pieces:
            async for stream, piece in pieces:
                said[stream] += piece
        return said

    def _request(self, image_id: str, program: str) -> ContainerRequest:
        return ContainerRequest(
            name=f"runsd-probe-{secrets.token_hex(8)}",
            image=image_id,
            entrypoint=[program, "-I", "-c", _PROBE.read_text()],
            args=None,
            env={},
            labels={WORKSHOP: self._instance},
            cpu_milli=1000,
            memory_bytes=_MEMORY_BYTES,
            shm_bytes=1024**2,
            mounts=(),
            network="none",
            workdir="/",
            user=None,
            cgroup_parent=None,
            log_max_bytes=1024**2,
        )


def check_version(base: Base, asked: str | None) -> None:
    """Raise DependenciesFailed when the image's Python is not the version that was asked for."""
    if base.markers["implementation_name"] != "cpython" or base.free_threaded:
        kind = "a free-threaded one" if base.free_threaded else base.markers["platform_python_implementation"]
        raise DependenciesFailed(
            f"cannot make an environment: the image's Python is {kind}; choose an image with CPython"
        )
    if asked and base.version.split(".")[: asked.count(".") + 1] != asked.split("."):
        raise DependenciesFailed(
            f"cannot use the image for Python {asked}: its Python is {base.version};"
            " choose another image or another version"
        )


def _facts(said: str) -> dict[str, Any]:
    try:
        facts = json.loads(said.strip().rpartition("\n")[2])
        _base("", facts)
    except (ValueError, KeyError, TypeError) as failure:
        raise DependenciesFailed(
            f"cannot use the image for a Python run: its python answers {said[:200]!r}"
        ) from failure
    return dict(facts)


def _base(image_id: str, facts: Mapping[str, Any]) -> Base:
    known = {**facts, "inherited": tuple(facts["inherited"]), "markers": dict(facts["markers"])}
    return Base(image_id=image_id, **known)
