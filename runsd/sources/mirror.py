"""One repository's mirror on this host: what git has fetched of it, whole after every crash.

A directory with ``repository`` (bare, made aside and renamed), ``address`` (for people; its time is that of
the last use) and ``lock``, which is held by the git that is changing the repository. Only packs and
references are ever added, both of them atomically, so that a mirror needs no more than a sweep for what a
git that was killed has left.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from runsd_sdk.quantity import format_bytes

from runsd.errors import SourceFailed
from runsd.sources.address import Address
from runsd.sources.git import Git, GitFailed

_ORPHAN_DIES_S = 10.0
_LOOK_EVERY_S = 0.05
_MEASURE_EVERY_S = 0.2
_WHOLE = "whole"


class Mirror:
    """The mirror of one address. ``users`` counts those who must not find it removed.

    A fetch that brings more than ``max_bytes`` is stopped; 0 is no limit.
    """

    def __init__(self, folder: Path, address: Address, git: Git, *, max_bytes: int = 0) -> None:
        self.folder = folder / address.name
        self.repository = self.folder / "repository"
        self.address = address
        self.users = 0
        self.turn = asyncio.Lock()
        self._git = git
        self._max_bytes = max_bytes

    async def commit(self, name: str) -> str | None:
        """Return the commit that an object's full id leads to, if all of it is here."""
        if not self.repository.exists():
            return None
        with suppress(GitFailed):
            said = await self._ask(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
            return said.strip()
        return None

    async def commits(self, beginning: str) -> list[str]:
        """Return the commits here whose ids begin like this."""
        found = (await self._ask("rev-parse", f"--disambiguate={beginning}")).split()
        return [each for each in found if (await self._ask("cat-file", "-t", each)).strip() == "commit"]

    def touch(self) -> None:
        """Note that it is used, if it is there and can be noted."""
        with suppress(OSError):
            os.utime(self.folder / "address")

    @asynccontextmanager
    async def held(self, address: Address) -> AsyncIterator[int]:
        """Lend the right to change the mirror, as a lock to hand to git; there is a repository then.

        The ``address`` is this one, with the credential to use for as long as it is lent.
        """
        async with self.turn:
            self.address = address
            await asyncio.to_thread(self._make_folder)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                await self._seize(lock)
                await asyncio.to_thread(self._sweep)
                if not self.repository.exists():
                    await self._make()
                try:
                    yield lock
                except BaseException:  # what was fetched of a large repository may be large
                    await asyncio.to_thread(self._sweep)
                    raise
                os.ftruncate(lock, 0)
            finally:
                os.close(lock)

    async def advertised(self, *patterns: str, narrow: Sequence[str], lock: int) -> dict[str, str]:
        """Ask the remote for the ids of the references that match."""
        said = await self._ask("ls-remote", "--quiet", *narrow, "--", self.address.url, *patterns, lock=lock)
        lines = (line.partition("\t") for line in said.splitlines())
        return {name: object_id for object_id, _, name in lines}

    async def fetch(self, wanted: str, keep: str, *, lock: int) -> None:
        """Fetch a commit or reference, with its history only if the mirror has that of all, and keep it."""
        depth = () if self.whole else ("--depth=1",)
        await self._fetch(*depth, f"+{wanted}:refs/runsd/{keep}", lock=lock)

    async def fetch_all(self, *, lock: int) -> None:
        """Fetch all branches and tags with all their history."""
        depth = ("--unshallow",) if (self.repository / "shallow").exists() else ()
        what = ("+refs/heads/*:refs/remote/heads/*", "+refs/tags/*:refs/remote/tags/*")
        await self._fetch(*depth, "--prune", *what, lock=lock)
        (self.repository / _WHOLE).touch()

    @property
    def whole(self) -> bool:
        """Whether the histories of branches and tags are here."""
        return (self.repository / _WHOLE).exists()

    async def discard(self) -> None:
        """Remove the repository, to be made anew; only while it is held."""
        await asyncio.to_thread(shutil.rmtree, self.repository, ignore_errors=True)
        await self._make()

    async def _fetch(self, *what: str, lock: int) -> None:
        options = [part for part in what if part.startswith("--")]
        wanted = [part for part in what if not part.startswith("--")]
        before = await asyncio.to_thread(_bytes_in, self._objects)
        fetching = asyncio.create_task(
            self._ask(
                "fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--update-shallow", *options,
                "--", self.address.url, *wanted, lock=lock,
            ),
            name=f"fetch-{self.folder.name[:12]}",
        )  # fmt: skip
        try:
            while not fetching.done():
                await asyncio.wait({fetching}, timeout=_MEASURE_EVERY_S)
                if not fetching.done():
                    await self._check_size(before)
            fetching.result()
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    async def _check_size(self, before: int) -> None:
        """Raise SourceFailed when a fetch has brought too much, which no server says beforehand."""
        if self._max_bytes and await asyncio.to_thread(_bytes_in, self._objects) - before > self._max_bytes:
            raise SourceFailed(too_large(f"fetch from {self.address.shown}", self._max_bytes))

    async def _ask(self, *args: str, lock: int | None = None) -> str:
        if lock is None:
            return await self._git.ask(*args, cwd=self.repository)
        return await self._git.ask(
            *args,
            cwd=self.repository,
            address=self.address,
            lock=lock,
            begun=lambda group: _write(lock, group),
        )

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "address").write_text(f"{self.address.shown}\n")

    async def _seize(self, lock: int) -> None:
        """Take the lock, from a git that has outlived a killed daemon if need be."""
        until = asyncio.get_running_loop().time() + _ORPHAN_DIES_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Who holds it is in the group whose number is in it, for that was written as it began.
                if group := os.pread(lock, 32, 0).strip():
                    with suppress(ProcessLookupError):
                        os.killpg(int(group), signal.SIGKILL)
            else:
                return
            if asyncio.get_running_loop().time() > until:
                raise SourceFailed(
                    f"cannot fetch from {self.address.shown}: another process holds {self.folder}; end it"
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    def _sweep(self) -> None:
        """Remove what a git that was killed has left: nobody else is at work here."""
        places = (
            (self.repository, "*.lock"),
            (self.repository / "refs", "**/*.lock"),
            (self.repository / "objects" / "pack", "tmp_*"),
            (self.repository / "objects" / "pack", ".tmp-*"),
        )
        for place, pattern in places:
            for left in list(place.glob(pattern)) if place.exists() else ():
                left.unlink(missing_ok=True)
        shutil.rmtree(self._aside, ignore_errors=True)

    async def _make(self) -> None:
        await self._git.ask("init", "--bare", "--quiet", "--template=", str(self._aside), cwd=self.folder)
        self._aside.rename(self.repository)

    @property
    def _objects(self) -> Path:
        return self.repository / "objects"

    @property
    def _aside(self) -> Path:
        return self.folder / "repository.new"


def too_large(what: str, max_bytes: int) -> str:
    """Return what to tell those whose repository is larger than this host takes."""
    return (
        f"cannot {what}: it is more than {format_bytes(max_bytes)}; keep large data in a volume, or let the"
        " operator raise the setting sources.max_repository_bytes"
    )


def _bytes_in(folder: Path) -> int:
    """Return how many bytes the files below a folder have, while git adds and renames some."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            found = path.lstat()
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def _write(lock: int, group: int) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % group, 0)
