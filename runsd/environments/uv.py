"""uv: one call of the program, with an environment of our making, ended with its caller."""

import asyncio
import os
import re
import shutil
import signal
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from uv import find_uv_bin

from runsd.config import EnvironmentSettings
from runsd.environments.flights import Tell
from runsd.errors import DependenciesFailed

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_SECRETS = re.compile(r"://[^/\s@]+@")
_UNREACHABLE = re.compile(
    r"error sending request|request failed after|dns error|connection (refused|reset)|operation timed out"
    r"|HTTP status server error",
    re.IGNORECASE,
)
_MOST_SAID = 4000
_CHUNK = 64 * 1024
_LONGEST_LINE = 1024**2
# What tells uv how to reach an index, where the settings do not. Nothing else of the daemon's own goes to it.
_KEPT = re.compile(
    r"(?i:(https?|all|no)_proxy)|SSL_CERT_(FILE|DIR)|SSL_CLIENT_CERT|UV_(SYSTEM_CERTS|NATIVE_TLS|INSECURE_HOST)"
    r"|UV_HTTP_(TIMEOUT|RETRIES|CONNECT_TIMEOUT)|UV_INDEX_\w+_(USERNAME|PASSWORD)|UV_OFFLINE"
)
_INDEXES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
)
# As pip calls them: what is set for pip on a host is meant for everybody who installs packages there.
_PIPS = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX"}


class Failed(DependenciesFailed):
    """uv's own explanation. ``unreachable`` says that no index answered."""

    def __init__(self, sentence: str, explanation: str) -> None:
        self.explanation = explanation
        self.unreachable = _UNREACHABLE.search(explanation) is not None
        if self.unreachable:
            sentence = f"{sentence}: the package index cannot be reached"
        super().__init__(f"{sentence}:\n{explanation}" if explanation else sentence)


class Uv:
    """The program, for the settings of this host. Only wheels are taken: nothing of a package ever runs here.

    Its cache is in ``folder``, and so is the home that it sees.
    """

    def __init__(self, settings: EnvironmentSettings, folder: Path) -> None:
        self._program = find_uv_bin()
        self._settings = settings
        self._folder = folder
        self.cache = settings.cache_directory or folder / "cache"

    async def run(
        self, arguments: Sequence[str | Path], *, cannot: str, tell: Tell, within_s: float, place: Path
    ) -> str:
        """Run uv in a directory, tell what it says, and return all of it.

        Raises Failed, its sentence beginning with ``cannot``, when it fails or takes too long. Whoever is
        cancelled leaves no process behind.
        """
        process = await asyncio.create_subprocess_exec(
            *_bound_to_us(), self._program, *arguments, *self._always(),
            cwd=place, env=self._environment(place), start_new_session=True,
            stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        said: list[str] = []
        try:
            async with asyncio.timeout(within_s):
                assert process.stdout is not None  # noqa: S101
                async for line in _lines(process.stdout):
                    said.append(line)
                    tell(line)
                code = await process.wait()
        except TimeoutError as failure:
            raise Failed(f"{cannot}: it takes longer than {within_s:g} s", _explanation(said)) from failure
        finally:
            await _end(process)
        if code:
            raise Failed(cannot, _explanation(said))
        return "\n".join(said)

    def indexes(self, default: str | None = None) -> list[str]:
        """Return the arguments that say where packages come from; ``default`` in place of the host's."""
        settings = self._settings
        arguments = []
        if index := default or settings.index_url:
            arguments += ["--default-index", index]
        for url in settings.extra_index_urls:
            arguments += ["--index", url]
        for place in settings.find_links:
            arguments += ["--find-links", place]
        return [*arguments, "--no-index"] if settings.no_index else arguments

    def _always(self) -> list[str | Path]:
        python = ["--python", sys.executable, "--no-python-downloads"]
        return [
            *python,
            "--no-build",
            "--no-config",
            "--no-progress",
            "--color=never",
            "--cache-dir",
            self.cache,
        ]

    def _environment(self, place: Path) -> dict[str, str]:
        environment = {"PATH": os.defpath, "HOME": str(place), "TMPDIR": str(place), "LC_ALL": "C.UTF-8"}
        environment["UV_PREVIEW_FEATURES"] = "pylock"
        if Path(ssl.get_default_verify_paths().cafile or "/nowhere").exists():
            environment["UV_SYSTEM_CERTS"] = "1"  # a company's own authority is known to the host alone
        environment |= {key: value for key, value in os.environ.items() if _KEPT.fullmatch(key)}
        return environment | self._index_variables(os.environ)

    def _index_variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what the daemon's environment says of indexes, unless the settings say anything."""
        settings = self._settings
        if settings.index_url or settings.extra_index_urls or settings.find_links or settings.no_index:
            return {}
        found = {_PIPS[key]: given[key] for key in _PIPS if key in given}
        if "PIP_FIND_LINKS" in given:
            found["UV_FIND_LINKS"] = ",".join(given["PIP_FIND_LINKS"].split())
        return found | {key: given[key] for key in _INDEXES if key in given}


def _bound_to_us() -> list[str]:
    """Return what has the kernel end a program with the process that started it, where that is there."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Walk the lines of a stream, however long they are, without escape codes and without secrets."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk)[-_LONGEST_LINE:].split(b"\n")
        for line in lines:
            yield _clean(line)
    if rest:
        yield _clean(rest)


def _clean(line: bytes) -> str:
    text = _ESCAPES.sub("", line.decode(errors="replace")).rstrip()
    return _SECRETS.sub("://***@", text)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it and whatever it has started, and wait for it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _explanation(said: Sequence[str]) -> str:
    """Return the end of what uv said, from its first error on, without secrets."""
    first = next((number for number, line in enumerate(said) if line.startswith("error")), 0)
    text = "\n".join(said[first:]).strip()
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"
