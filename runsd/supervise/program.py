"""The program of a Python run: made an image before its container, and asked after it what it has left.

The order is that of everything here: what a branch means and which packages it runs with are on record
before anything is made of them, so a retry, a rerun and the next daemon go on with the same.
"""

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from pathlib import Path

from pydantic_core import from_json, to_json
from runsd_sdk.python import WORKSPACE, PythonSpec
from runsd_sdk.run import Reason, RunProblem

from runsd import problems
from runsd.engine.port import Engine, ImageFacts, Stream
from runsd.environments import project
from runsd.environments.requirements import Requirements, stated
from runsd.errors import DependenciesFailed, EngineNotFound, EngineUnavailable, SourceFailed
from runsd.logs.capture import Capture
from runsd.run import Outcome
from runsd.store.attempts import Work
from runsd.store.returned import Returned
from runsd.supervise.asking import Asking
from runsd.supervise.secrets import AttemptSecrets
from runsd.supervise.tools import NotStarted, Tools
from runsd.telemetry import view

_PACKAGE = Path(__file__).parents[1]
_PLACE = "/run/runsd"
_RUNNER_PATH = f"{_PLACE}/runner.py"
_OUT = f"{_PLACE}/out"
_RESULT, _PROBLEMS = f"{_OUT}/result.json", f"{_OUT}/problems.jsonl"
_RESULT_BYTES = 2 * 1024**2
_PROBLEMS_BYTES = 4 * 1024**2
_FILES = ("runner.py", "sdk/runsd_sdk.py")
"""What every program finds in that place, as it is below the package of runsd."""
# One argument of a program has at most 128 KiB: execve(2).
_ARGUMENT_CHARS = 100_000
# What is printed is to be seen while the program runs, not when four kilobytes are full.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1"}


class Program:
    """The program of one attempt; what is done for it is told in the run's log."""

    def __init__(
        self,
        work: Work,
        python: PythonSpec,
        tools: Tools,
        asking: Asking,
        own_capture: Callable[[], Awaitable[Capture]],
        secrets: AttemptSecrets,
    ) -> None:
        self._work = work
        self._python = python
        self._tools = tools
        self._asking = asking
        self._own_capture = own_capture
        self._secrets = secrets
        self._commit = work.source_commit
        self._interpreter = "python"

    @property
    def command(self) -> tuple[str, ...]:
        """What the container executes; known once there is an image for it."""
        job = {
            "entrypoint": self._python.entrypoint.model_dump(mode="json", by_alias=True, exclude_none=True),
            "source": WORKSPACE,
            "out": _OUT,
        }
        if self._secrets.variables_path is not None:
            job["variables"] = self._secrets.variables_path
        text = json.dumps(job)
        pieces = (text[at : at + _ARGUMENT_CHARS] for at in range(0, len(text), _ARGUMENT_CHARS))
        return (self._interpreter, _RUNNER_PATH, *pieces)

    @property
    def kept(self) -> tuple[str, ...]:
        """The folders that must be there when it has ended."""
        return (_OUT,)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the container, which the run's own may override."""
        return dict(_ENVIRONMENT)

    async def image(self, base: ImageFacts) -> str:
        """Return the id of the image that has all it imports; the base itself where that is all.

        Raises NotStarted when source or packages cannot be had, or when the run is to stop meanwhile.
        """
        settling = asyncio.create_task(self._image(base), name=f"settle-{self._work.id}")
        try:
            await self._asking.done_unless_stopped(settling, "while its program was made ready")
            return settling.result()
        except SourceFailed as failure:
            raise NotStarted(Outcome(Reason.SOURCE_FAILED, str(failure))) from failure
        except DependenciesFailed as failure:
            raise NotStarted(Outcome(Reason.DEPENDENCIES_FAILED, str(failure))) from failure
        except EngineNotFound as failure:  # somebody has removed an image or a container meanwhile
            raise EngineUnavailable(f"its program is made ready anew: {failure}") from failure
        finally:
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)

    async def _image(self, base: ImageFacts) -> str:
        capture = await self._own_capture()

        def say(text: str) -> None:
            capture.add(Stream.SYSTEM, f"[runsd: {text}]\n".encode())

        await self._settle_commit(say)
        required = await self._required()
        lock = await self._tools.programs.lock(self._work.id)
        ready = await self._tools.environments.ready(
            base, required, version=self._python.version, lock=lock, on_progress=say
        )
        self._interpreter = ready.python
        if ready.lock and ready.lock != lock:
            await self._tools.programs.settle_lock(self._work, ready.lock)
        return await self._tools.environments.filled(ready, self._content(), self._put, on_progress=say)

    def _content(self) -> str:
        """Return what tells the files of this program from those of all others.

        An image of a private source is for those alone who have the secret that opens it.
        """
        source = self._work.spec.source
        files = f"{_place_digest()} {self._commit or (source and source.upload) or ''}"
        if source is None or source.git is None or source.git.secret is None:
            return files
        return f"{files} {self._work.project} {source.git.secret}"

    async def _settle_commit(self, say: Callable[[str], None]) -> None:
        """Find out which commit a branch or tag is, unless a former attempt did."""
        source = self._work.spec.source
        if source is None or source.git is None or self._commit is not None:
            return
        say(f"looking for {source.git.ref or 'the newest commit'} in {source.git.url}")
        self._commit = await self._tools.sources.commit(source.git, await self._secrets.credential())
        await self._tools.programs.settle_commit(self._work, self._commit)
        say(f"the source is commit {self._commit}")

    async def _required(self) -> Requirements:
        python, source = self._python, self._work.spec.source
        required = stated(python.dependencies)
        if python.requirements is None or source is None:
            return required

        async def fetch(path: str) -> bytes | None:
            credential = await self._secrets.credential()
            return await self._tools.sources.file(source, self._commit, path, credential)

        return required + await project.read(python.requirements, fetch)

    async def _put(self, container: str) -> None:
        """Put runner and source into a container."""
        await self._tools.engine.put_files(container, "/", _whole(_place()))
        if (source := self._work.spec.source) is not None:
            credential = await self._secrets.credential()
            async with self._tools.sources.files(source, self._commit, credential) as archive:
                await self._tools.engine.put_files(container, WORKSPACE, archive)

    async def left_in(self, container: str) -> Returned:
        """Return what the program left behind in its container, as far as it makes sense."""
        value, found = await asyncio.gather(self._value(container), self._problems(container))
        return await self._secrets.covered_return(Returned(value, tuple(found)))

    async def _problems(self, container: str) -> list[RunProblem]:
        lines = await problem_lines(self._tools.engine, container)
        told = (await self._tools.telemetry.of_run(self._work.id)).problems()
        return problems.public(await asyncio.to_thread(problems.grouped, lines + view.problem_lines(told)))

    async def _value(self, container: str) -> str | None:
        if self._python.entrypoint.function is None:
            return None
        content = await self._tools.engine.take_file(container, _RESULT, most_bytes=_RESULT_BYTES)
        return None if content is None else await asyncio.to_thread(_value_in, content)


async def problem_lines(engine: Engine, container: str) -> bytes:
    """Return what the runner has noted of a program's problems, whether it runs or not."""
    return await engine.take_file(container, _PROBLEMS, most_bytes=_PROBLEMS_BYTES) or b""


def _value_in(content: bytes) -> str | None:
    """Return the value in what may be a result, as JSON that every reader takes."""
    try:
        value = from_json(content)["returnValue"]  # refuses half surrogate pairs, and more than 200 levels
        return to_json(value, inf_nan_mode="strings").decode()
    except (ValueError, KeyError, TypeError):
        return None  # it was not the runner that wrote this


@lru_cache(1)
def _place() -> bytes:
    """Return, as a tar archive, what every program finds beside its source."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        # Whoever the run's user is may write where it begins, and leave something behind.
        for folder, mode in ((WORKSPACE, 0o777), (_PLACE, 0o755), (_OUT, 0o777)):
            _add(archive, folder, None, mode)
        for file in _FILES:
            _add(archive, f"{_PLACE}/{file}", (_PACKAGE / file).read_bytes(), 0o644)
    return made.getvalue()


@lru_cache(1)
def _place_digest() -> str:
    return hashlib.sha256(_place()).hexdigest()


def _add(archive: tarfile.TarFile, path: str, content: bytes | None, mode: int) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    archive.addfile(entry, None if content is None else io.BytesIO(content))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
