"""The host's git: started without anybody's settings, given up when it is silent, ended with its children."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from runsd.errors import SourceFailed
from runsd.processes import end
from runsd.sources.address import Address
from runsd.sources.credential import key_file

_PIECE = 128 * 1024
_MOST_SAID = 8 * 1024
_MOST_ANSWERED = 64 * 1024**2
_GRACE_S = 2.0  # in which git removes its lock files
_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    # A power cut leaves no pack or reference that is half there.
    "core.fsync=pack,pack-metadata,reference",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    # Loose objects are written one by one, the commit perhaps before its files; a pack is there or is not.
    "fetch.unpackLimit=1",
    # Nothing is checked out on this host; strictness would only refuse old repositories.
    "transfer.fsckObjects=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "tar.umask=0022",
    # Larger files are passed on piece by piece; smaller ones git holds in memory whole.
    "core.bigFileThreshold=16m",
)
_HELPER = '!f() { printf "username=%s\\npassword=%s\\n" "$RUNSD_GIT_USERNAME" "$RUNSD_GIT_PASSWORD"; }; f'
_SSH = "ssh -o BatchMode=yes -o ControlMaster=no -o ConnectTimeout=30 -o ServerAliveInterval=15"


class GitFailed(Exception):
    """Git ended with an error; ``said`` is the end of what it wrote about it."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class GitSilent(Exception):
    """Git did and said nothing for too long."""


class Git:
    """Runs git. ``config`` is a file of settings to trust, as of git-config(1); no other is read."""

    def __init__(self, *, timeout_s: float, config: Path | None = None) -> None:
        self.timeout_s = timeout_s
        self._config = config

    async def ask(
        self,
        *args: str,
        cwd: Path,
        address: Address | None = None,
        lock: int | None = None,
        begun: Callable[[int], None] | None = None,
    ) -> str:
        """Return what a command answers; everything that it started is over then.

        ``lock`` is a descriptor that git and its children hold for as long as they live; ``begun`` is told
        the process group. Raises GitFailed, GitSilent.
        """
        with key_file(address) as key:
            ssh = f"{await self._ssh(cwd)} -i {key} -o IdentitiesOnly=yes" if key else None
            return await self._asked(await self._start(args, cwd, address, lock, ssh), begun)

    async def _asked(self, process: asyncio.subprocess.Process, begun: Callable[[int], None] | None) -> str:
        try:
            if begun is not None:
                begun(process.pid)
            assert process.stdout is not None and process.stderr is not None  # noqa: S101
            async with asyncio.timeout(self.timeout_s) as patience:
                answer, said = await asyncio.gather(
                    self._read(process.stdout, _MOST_ANSWERED, patience),
                    self._read(process.stderr, _MOST_SAID, patience),
                )
                code = await process.wait()
        except TimeoutError as failure:
            raise GitSilent from failure
        finally:
            await end(process, grace_s=_GRACE_S)
        if code:
            raise GitFailed(_text(said))
        return _text(answer)

    @asynccontextmanager
    async def stream(self, *args: str, cwd: Path) -> AsyncIterator[AsyncIterator[bytes]]:
        """Lend the output of a command of this host, which waits for its reader for as long as that takes.

        The iterator raises GitFailed at the end if git did not come to a good one.
        """
        process = await self._start(args, cwd)
        try:
            async with aclosing(_pieces(process)) as pieces:
                yield pieces
        finally:
            await end(process, grace_s=_GRACE_S)

    async def _ssh(self, cwd: Path) -> str:
        """Return how the settings to trust want ssh to be called."""
        if self._config is not None:
            with suppress(GitFailed):  # they say nothing of it
                return (await self.ask("config", "--get", "core.sshCommand", cwd=cwd)).strip()
        return _SSH

    async def _start(
        self,
        args: Sequence[str],
        cwd: Path,
        address: Address | None = None,
        lock: int | None = None,
        ssh: str | None = None,
    ) -> asyncio.subprocess.Process:
        command = ["git", *(part for setting in _SETTINGS for part in ("-c", setting))]
        if address is not None and (address.username or address.password):
            helper = f"credential.{address.site}.helper"
            command += ["-c", f"{helper}=", "-c", f"{helper}={_HELPER}"]  # these, and nobody else's
        try:
            return await asyncio.create_subprocess_exec(
                *command, *args,
                cwd=cwd,
                env=self._environment(address, ssh),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_PIECE,
                pass_fds=() if lock is None else (lock,),
                start_new_session=True,  # no terminal to ask at, and one group to end
            )  # fmt: skip
        except FileNotFoundError as failure:
            said = (
                "cannot use a git repository: there is no git on the daemon's host; install the package git"
            )
            raise SourceFailed(said) from failure

    def _environment(self, address: Address | None, ssh: str | None) -> dict[str, str]:
        foreign = ("GIT_", "RUNSD_", "SSH_ASKPASS")
        mine = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        mine |= {
            "LC_ALL": "C",  # its words are looked up in sources/trouble.py
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._config or "/dev/null"),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": "" if address is None else _allowed(address),
        }
        if ssh is not None or self._config is None:
            mine |= {"GIT_SSH_COMMAND": ssh or _SSH, "GIT_SSH_VARIANT": "ssh"}
        if address is not None:
            mine |= {"RUNSD_GIT_USERNAME": address.username, "RUNSD_GIT_PASSWORD": address.password}
        return mine

    async def _read(self, stream: asyncio.StreamReader, most: int, patience: asyncio.Timeout) -> bytes:
        """Return the end of what comes, at most so many bytes; each piece renews the patience."""
        kept = bytearray()
        while piece := await stream.read(_PIECE):
            if not patience.expired():
                patience.reschedule(asyncio.get_running_loop().time() + self.timeout_s)
            kept += piece
            del kept[:-most]
        return bytes(kept)


async def _pieces(process: asyncio.subprocess.Process) -> AsyncGenerator[bytes, None]:
    assert process.stdout is not None and process.stderr is not None  # noqa: S101
    telling = asyncio.create_task(process.stderr.read(), name="git-stderr")
    try:
        while piece := await process.stdout.read(_PIECE):
            yield piece
        said = await telling
        if await process.wait():
            raise GitFailed(_text(said[-_MOST_SAID:]))
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def _allowed(address: Address) -> str:
    """Return the protocols that may be used: never this host's files by way of the network."""
    return "file" if address.protocol == "file" else f"https:ssh:{address.protocol}"


def _text(said: bytes) -> str:
    return said.decode(errors="replace")
