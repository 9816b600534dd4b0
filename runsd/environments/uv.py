"""uv: one call of the program, with an environment of our making, ended with its caller."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from uv import find_uv_bin

from runsd.config import EnvironmentSettings
from runsd.errors import DependenciesFailed
from runsd.flights import Tell
from runsd.processes import end

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

ONLY_WHEELS = ("--no-build", "--no-config")
"""Options that say which files uv may take, and that it is to read no settings but ours."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where packages come from: the index, indexes that are asked before it, and places that list wheels."""

    index: str | None = None
    extra_indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


class Failed(DependenciesFailed):
    """uv's own explanation. ``unreachable`` says that no index answered."""

    def __init__(self, sentence: str, explanation: str) -> None:
        self.explanation = explanation
        if len(explanation) > _MOST_SAID:
            explanation = f"{explanation[:_MOST_SAID]}…"
        self.unreachable = _UNREACHABLE.search(explanation) is not None
        if self.unreachable:
            sentence = f"{sentence}: the package index cannot be reached"
        super().__init__(f"{sentence}:\n{explanation}" if explanation else sentence)


class Uv:
    """The program, for the settings of this host. It is never let build: nothing of a package ever runs here.

    Its cache is in ``folder`` where the settings name no other place.
    """

    def __init__(self, settings: EnvironmentSettings, folder: Path) -> None:
        self._settings = settings
        self.cache = settings.cache_directory or folder / "cache"

    async def run(
        self,
        arguments: Sequence[str | Path],
        sources: Places,
        *,
        cannot: str,
        tell: Tell,
        within_s: float,
        place: Path,
        takes: Sequence[str | Path] = ONLY_WHEELS,
    ) -> str:
        """Run uv in a directory, tell what it says, and return all of it.

        ``takes`` are options in the place of ``ONLY_WHEELS``.
        Raises Failed, its sentence beginning with ``cannot``, when it fails or takes too long. Whoever is
        cancelled leaves no process behind.
        """
        bound = await asyncio.to_thread(_bound_to_us)
        process = await asyncio.create_subprocess_exec(
            *bound, program(), *arguments, *self._always(), *takes,
            cwd=place, env=self._environment(place) | self.places(sources), start_new_session=True,
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
            await end(process)
        if code:
            raise Failed(cannot, _explanation(said))
        return "\n".join(said)

    def places(self, wanted: Places) -> dict[str, str]:
        """Return uv's variables that say where packages come from: what is wanted comes before the host's.

        Variables and not arguments, for credentials may stand in them, and arguments are everybody's to read.
        """
        settings = self._settings
        silent = not (settings.index_url or settings.extra_index_urls or settings.find_links)
        given = _given(os.environ) if silent and not settings.no_index else Places()
        default = wanted.index or settings.index_url or given.index
        extra = [*wanted.extra_indexes, *settings.extra_index_urls, *given.extra_indexes]
        links = [*wanted.links, *settings.find_links, *given.links]
        variables = {
            "UV_DEFAULT_INDEX": default or "",
            "UV_INDEX": " ".join(extra),
            "UV_FIND_LINKS": ",".join(links),
        }
        return {name: value for name, value in variables.items() if value}

    def _always(self) -> list[str | Path]:
        python = ["--python", sys.executable, "--no-python-downloads"]
        if self._settings.no_index:
            python.append("--no-index")
        return [*python, "--no-progress", "--color=never", "--cache-dir", self.cache]

    def _environment(self, place: Path) -> dict[str, str]:
        environment = {"PATH": os.defpath, "HOME": str(place), "TMPDIR": str(place), "LC_ALL": "C.UTF-8"}
        environment["UV_PREVIEW_FEATURES"] = "pylock"
        if Path(ssl.get_default_verify_paths().cafile or "/nowhere").exists():
            environment["UV_SYSTEM_CERTS"] = "1"  # a company's own authority is known to the host alone
        return environment | {key: value for key, value in os.environ.items() if _KEPT.fullmatch(key)}


def _given(variables: Mapping[str, str]) -> Places:
    """Read what the daemon's environment says: what is set for pip on a host is meant for all who install."""
    extra = [*variables.get("UV_INDEX", "").split(), *variables.get("UV_EXTRA_INDEX_URL", "").split()]
    links = [link for link in variables.get("UV_FIND_LINKS", "").split(",") if link]
    named = (variables.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"))
    return Places(
        index=next((index for index in named if index), None),
        extra_indexes=tuple(extra or variables.get("PIP_EXTRA_INDEX_URL", "").split()),
        links=tuple(links or variables.get("PIP_FIND_LINKS", "").split()),
    )


def program() -> str:
    """Return where uv is. Raises DependenciesFailed where it is nowhere."""
    try:
        return find_uv_bin()
    except FileNotFoundError:
        if found := shutil.which("uv"):  # a distribution may have the program and its package apart
            return found
        raise DependenciesFailed(
            "cannot ask uv for packages: it is not on the host; reinstall runsd with all that it requires"
        ) from None


@cache
def _bound_to_us() -> Sequence[str]:
    """Return what has the kernel end a program with the process that started it, where that works.

    A filter of system calls, such as that of systemd/runsd.service, may not let setpriv do its work; the
    service manager that has set it ends what a killed daemon leaves.
    """
    bound = ("setpriv", "--pdeathsig", "KILL", "--")
    with suppress(OSError):
        if subprocess.run([*bound, "true"], capture_output=True, check=False).returncode == 0:
            return bound
    return ()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Walk the lines of a stream, however long they are, without escape codes and without secrets."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk)[-_LONGEST_LINE:].split(b"\n")
        for line in lines:
            yield clean(line)
    if rest:
        yield clean(rest)


def clean(line: bytes) -> str:
    """Return a line of a program's output as text, without escape codes and without secrets."""
    text = _ESCAPES.sub("", line.decode(errors="replace")).rstrip()
    return _SECRETS.sub("://***@", text)


def _explanation(said: Sequence[str]) -> str:
    """Return the end of what uv said, from its first error on, without secrets."""
    first = next((number for number, line in enumerate(said) if line.startswith("error")), 0)
    return "\n".join(said[first:]).strip()
