"""Build: one container without network in which a source distribution does one step of its own making."""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from runsd_sdk.quantity import format_bytes

from runsd.config import EnvironmentSettings
from runsd.engine.port import ContainerRequest, Engine
from runsd.environments import packing
from runsd.environments.base import Base
from runsd.environments.buildsystem import BuildSystem
from runsd.environments.packing import in_thread
from runsd.environments.tree import VENV, Tree
from runsd.environments.uv import clean
from runsd.errors import DependenciesFailed, EngineRefused
from runsd.flights import Tell

T = TypeVar("T")
Job = Mapping[str, object]
"""What ``backend.py`` is told."""

_SCRIPT = Path(__file__).with_name("backend.py")
_PLACE = "/opt/runsd/build"
_OUT, _HOME = f"{_PLACE}/out", f"{_PLACE}/home"
_FILE_BYTES = 1024**2
_WHEEL_BYTES = 1024**3
_LOG_BYTES = 1024**2
_SHM_BYTES = 64 * 1024**2
# Of a build that prints more the beginning is told, and if it fails the end.
_TOLD_LINES = 300
_LAST_LINES = 40
_LINE_CHARS = 400
_REST_BYTES = 64 * 1024
_REMEDY = (
    "a build has no network; what it needs besides Python packages, such as a compiler, belongs into an image"
    " of your own, given as image"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a build has come to: a wheel and its own name, or what else is required to make one."""

    requires: tuple[str, ...]
    name: str = ""
    wheel: Path | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """The steps of one source distribution. ``title`` says which, ``sdist`` is its archive on the host.

    ``labels`` are for the containers, so that what a daemon leaves that is killed is known again.
    """

    engine: Engine
    settings: EnvironmentSettings
    labels: Mapping[str, str]
    base: Base
    title: str
    sdist: Path

    async def look(self, tell: Tell) -> bytes | None:
        """Return its pyproject.toml, if it has one. Raises DependenciesFailed."""
        return await self._step({"look": True}, None, self.base.interpreter, self._pyproject, tell)

    async def make(
        self, system: BuildSystem, requires: tuple[str, ...], tree: Tree | None, tell: Tell
    ) -> Answer:
        """Have it made into a wheel, with a tree of what it requires to be built, if that is anything.

        Raises DependenciesFailed with the last words of its build.
        """
        job = {"look": False, "backend": system.backend, "path": system.path, "requires": requires}
        python = self.base.interpreter if tree is None else f"{VENV}/bin/python"
        return await self._step(job, tree, python, self._answer, tell)

    async def _step(
        self, job: Job, tree: Tree | None, python: str, take: Callable[[str], Awaitable[T]], tell: Tell
    ) -> T:
        name = f"runsd-build-{secrets.token_hex(8)}"
        try:
            container = await self.engine.create(self._request(name, python))
            await self.engine.put_files(container, "/", in_thread(self._place(job)))
            if tree is not None:
                await self.engine.put_files(container, str(VENV.parent), in_thread(tree.archive()))
            async with asyncio.timeout(self.settings.build_timeout_seconds):
                last = await self._run(container, tell)
            await self._check(container, last)
            return await take(container)
        except EngineRefused as failure:
            if failure.leaving:
                raise failure.as_trouble() from failure
            raise self._cannot(str(failure)) from failure
        except TimeoutError as failure:
            limit = f"{self.settings.build_timeout_seconds:g} s (environments.build_timeout_seconds)"
            raise self._cannot(f"its build takes longer than {limit}") from failure
        finally:
            await self.engine.remove(name)

    async def _run(self, container: str, tell: Tell) -> list[str]:
        """Run the container to its end, tell what it says, and return the last lines of it."""
        heard = _Heard(self.title, tell)
        async with self.engine.attach(container) as pieces:
            await self.engine.start(container)
            async for _, piece in pieces:
                heard.feed(piece)
        await self.engine.wait(container)
        return heard.end()

    async def _check(self, container: str, last: list[str]) -> None:
        facts = await self.engine.inspect(container)
        if facts is None:
            raise self._cannot("its container is gone")
        if facts.oom_killed and facts.exit_code:
            memory = f"{format_bytes(self.settings.build_memory_bytes)} (environments.build_memory)"
            raise self._cannot(f"its build needs more memory than {memory}")
        if facts.exit_code:
            said = "\n".join(last)
            raise self._cannot(f"its build failed with exit code {facts.exit_code} ({_REMEDY}):\n{said}")

    async def _pyproject(self, container: str) -> bytes | None:
        return await self.engine.take_file(container, f"{_OUT}/pyproject.toml", most_bytes=_FILE_BYTES)

    async def _answer(self, container: str) -> Answer:
        text = await self.engine.take_file(container, f"{_OUT}/answer.json", most_bytes=_FILE_BYTES)
        try:
            said = json.loads(text or b"")
            requires, name = tuple(str(one) for one in said["requires"]), said["wheel"]
        except (ValueError, KeyError, TypeError) as failure:
            raise self._cannot("its build left no answer") from failure
        if requires:
            return Answer(requires)
        wheel = self.sdist.with_name("wheel")
        if not await self.engine.copy_file(container, f"{_OUT}/wheel", wheel, most_bytes=_WHEEL_BYTES):
            raise self._cannot(f"its wheel is no file, or has more than {format_bytes(_WHEEL_BYTES)}")
        return Answer((), str(name), wheel)

    def _place(self, job: Job) -> Iterator[bytes]:
        """Return an archive with all that a step needs in its place."""
        place = _PLACE.lstrip("/")
        return packing.gathered(
            *(packing.folder(name.lstrip("/")) for name in (_PLACE, _OUT, _HOME)),
            packing.file(f"{place}/job.json", json.dumps(job).encode()),
            packing.file(f"{place}/backend.py", _SCRIPT.read_bytes()),
            packing.member(self.sdist, f"{place}/sdist"),
            packing.end(),
        )

    def _request(self, name: str, python: str) -> ContainerRequest:
        return ContainerRequest(
            name=name,
            image=self.base.image_id,
            entrypoint=[python, "-I", "-u", f"{_PLACE}/backend.py", _PLACE],
            args=None,
            env={"HOME": _HOME, "TMPDIR": _HOME, "LC_ALL": "C.UTF-8"},
            labels=self.labels,
            cpu_milli=self.settings.build_cpu_milli,
            memory_bytes=self.settings.build_memory_bytes,
            shm_bytes=_SHM_BYTES,
            mounts=(),
            network="none",
            workdir="/",
            user="0",
            cgroup_parent=None,
            log_max_bytes=_LOG_BYTES,
        )

    def _cannot(self, why: str) -> DependenciesFailed:
        return DependenciesFailed(
            f"cannot build {self.title}, which has no wheel for {self.base.title}: {why}"
        )


class _Heard:
    """What a build says, by lines."""

    def __init__(self, title: str, tell: Tell) -> None:
        self._title = title
        self._tell = tell
        self._told = 0
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    def feed(self, piece: bytes) -> None:
        *lines, rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line)
        self._rest = rest[-_REST_BYTES:]

    def end(self) -> list[str]:
        if self._rest:
            self._line(self._rest)
        return list(self._last)

    def _line(self, line: bytes) -> None:
        text = clean(line[-4 * _LINE_CHARS :])[:_LINE_CHARS]
        if not text:
            return
        self._last.append(text)
        self._told += 1
        if self._told <= _TOLD_LINES:
            self._tell(f"{self._title}: {text}")
        if self._told == _TOLD_LINES:
            self._tell(f"{self._title}: (further lines are not shown)")
