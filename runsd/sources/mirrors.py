"""Mirrors of git repositories: what a name stands for now, and the files of a commit."""

import asyncio
import posixpath
import re
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from runsd_sdk.paths import is_inside

from runsd.errors import SourceFailed
from runsd.faults import Step, effect
from runsd.flights import Flights
from runsd.sources import trouble
from runsd.sources.address import Address, check_ref, is_abbreviation, is_commit, parse
from runsd.sources.credential import Credential, check_takes_one, opened
from runsd.sources.git import Git, GitFailed, GitSilent
from runsd.sources.mirror import Mirror, too_large

log = structlog.get_logger()

_AT_ONCE = 8
_TRIES = 3
_DAY_S = 24 * 3600
_GONE = ".gone"
_NO_FILE = re.compile(r"does not exist in|exists on disk, but not in|bad file")


class Mirrors:
    """The mirrors in one folder.

    ``timeout_s`` is for how long a git may be silent, ``max_bytes`` is how much may be fetched at once and
    how much the files of a commit may be (0 for any), ``local`` are the directories of this host that may
    hold sources, ``config`` is a file of git's settings to trust.
    """

    def __init__(
        self,
        folder: Path,
        *,
        timeout_s: float,
        max_bytes: int = 0,
        local: Sequence[Path] = (),
        config: Path | None = None,
    ) -> None:
        self._folder = folder
        self._local = tuple(local)
        self._max_bytes = max_bytes
        self._git = Git(timeout_s=timeout_s, config=config)
        self._mirrors: dict[str, Mirror] = {}
        self._answers: Flights[str, None] = Flights("resolve")
        self._hands = asyncio.Semaphore(_AT_ONCE)

    def check(self, url: str, ref: str | None = None, *, private: bool = False) -> str:
        """Return an address for people to see, if it can be used. Raises SourceFailed; asks nobody."""
        if ref is not None:
            check_ref(ref)
        address = parse(url, self._local)
        if private:
            check_takes_one(address)
        elif address.username or address.password:
            said = (
                "it has a user or token before the '@', which whoever sees the run could read; leave that out"
            )
            remedy = "keep it with runs secret set, and name that in source.git.secret"
            raise SourceFailed(f"cannot use the address of the git repository: {said}, {remedy}")
        return address.shown

    async def resolve(self, url: str, ref: str | None = None, *, credential: Credential | None = None) -> str:
        """Return the full id of the commit that a branch, tag or commit is now, and have its files here.

        ``ref`` None is the remote's HEAD. A full id that is here needs no network; every other ref is asked
        for anew. Raises SourceFailed.
        """
        address = opened(parse(url, self._local), credential)
        ref = None if ref in (None, "HEAD") else check_ref(ref or "")
        what = f"find {ref[:100]!r}" if ref else "find the HEAD"
        with self._using(address) as mirror, _explaining(what, address, silent_s=self._git.timeout_s):
            if ref is not None and is_commit(ref) and (found := await mirror.commit(ref)):
                return found
            return await self._answers.join(
                (address.name, address.version, ref),
                lambda flight: self._find(mirror, address, ref, flight.close),
            )

    @asynccontextmanager
    async def export(
        self, url: str, commit: str, *, credential: Credential | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Lend the files of a commit as the bytes of a tar archive; fetch it first if it is not here.

        Git waits for the reader. Raises SourceFailed, also in the middle.
        """
        address = opened(parse(url, self._local), credential)
        with self._using(address) as mirror:
            commit = await self.resolve(url, commit, credential=credential)
            args = ("archive", "--format=tar", commit)
            async with (
                self._git.stream(*args, cwd=mirror.repository) as pieces,
                aclosing(self._told(pieces, f"export {commit[:12]}", address)) as telling,
            ):
                yield telling

    async def file(
        self,
        url: str,
        commit: str,
        path: str,
        *,
        most_bytes: int,
        credential: Credential | None = None,
    ) -> bytes | None:
        """Return the bytes of one file of a commit, or None where it has none there. Raises SourceFailed."""
        address = opened(parse(url, self._local), credential)
        if not is_inside(path):
            return None
        content = bytearray()
        with self._using(address) as mirror, _explaining(f"read {path}", address):
            commit = await self.resolve(url, commit, credential=credential)
            args = ("cat-file", "blob", f"{commit}:{posixpath.normpath(path)}")
            try:
                async with self._git.stream(*args, cwd=mirror.repository) as pieces:
                    async for piece in pieces:
                        content += piece
                        if len(content) > most_bytes:
                            said = f"it has more than {most_bytes} bytes"
                            raise SourceFailed(f"cannot read {path} of {address.shown}: {said}")
            except GitFailed as failure:
                if _NO_FILE.search(failure.said):
                    return None
                raise
        return bytes(content)

    async def collect(self, keep_days: float) -> int:
        """Remove the mirrors that nobody has used for so many days; return how many."""
        removed = 0
        for folder in await asyncio.to_thread(_unused, self._folder, keep_days * _DAY_S):
            gone = folder.with_name(folder.name.removesuffix(_GONE) + _GONE)
            if folder.name not in self._mirrors:  # else it is used by now
                folder.rename(gone)  # at once, so that whoever comes next makes another
                await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
                removed += 1
        if removed:
            log.info("mirrors.removed", count=removed)
        return removed

    @contextmanager
    def _using(self, address: Address) -> Iterator[Mirror]:
        new = Mirror(self._folder, address, self._git, max_bytes=self._max_bytes)
        mirror = self._mirrors.setdefault(address.name, new)
        mirror.users += 1
        try:
            mirror.touch()
            yield mirror
        finally:
            mirror.users -= 1
            if mirror.users == 0:
                del self._mirrors[address.name]

    async def _told(
        self, pieces: AsyncIterator[bytes], what: str, address: Address
    ) -> AsyncGenerator[bytes, None]:
        """Pass on what git exports; a few bytes that were fetched may be any number of files."""
        told = 0
        with _explaining(what, address):
            async for piece in pieces:
                told += len(piece)
                if 0 < self._max_bytes < told:
                    raise SourceFailed(too_large(f"{what} of {address.shown}", self._max_bytes))
                yield piece

    async def _find(
        self, mirror: Mirror, address: Address, ref: str | None, begin: Callable[[], None]
    ) -> str:
        async with mirror.held(address) as lock, self._hands:
            begin()
            try:
                return await self._found(mirror, ref, lock)
            except GitFailed as failure:
                if not trouble.BROKEN.search(failure.said):
                    raise
                said = trouble.redacted(failure.said[-300:], mirror.address)
                log.warning("mirror.broken", mirror=mirror.address.shown, said=said)
            await mirror.discard()
            return await self._found(mirror, ref, lock)

    async def _found(self, mirror: Mirror, ref: str | None, lock: int) -> str:
        if ref is not None and is_commit(ref):
            found = await mirror.commit(ref) or await self._fetched(mirror, ref, (ref,), lock)
        else:
            found = await self._named(mirror, ref or "HEAD", lock)
            if found is None and ref is not None and is_abbreviation(ref):
                found = await self._abbreviated(mirror, ref.lower(), lock)
        if found is None:
            shown = mirror.address.shown
            if ref is None:
                raise SourceFailed(f"cannot find the HEAD of {shown}: it has no commit; name a branch")
            raise SourceFailed(
                f"cannot find {ref!r} in {shown}: it is no branch, tag or commit there; check its name"
            )
        return found

    async def _named(self, mirror: Mirror, name: str, lock: int) -> str | None:
        """Find what a branch or tag is now; None where there is none."""
        for _ in range(_TRIES):
            reference, object_id = await _asked(mirror, name, lock)
            if object_id is None:
                return None
            found = await mirror.commit(object_id)
            found = found or await self._fetched(mirror, object_id, (object_id, reference), lock)
            if found:
                return found  # else it has moved in between
        raise SourceFailed(
            f"cannot fetch {name!r} of {mirror.address.shown}: it is no commit, or it moves all the time"
        )

    async def _abbreviated(self, mirror: Mirror, beginning: str, lock: int) -> str | None:
        await self._fetch(mirror, None, "", lock)
        found = await mirror.commits(beginning)
        if len(found) > 1:
            some = ", ".join(commit[:12] for commit in found[:5])
            raise SourceFailed(
                f"cannot find {beginning!r} in {mirror.address.shown}: {some} begin so; write more of it"
            )
        return found[0] if found else None

    async def _fetched(self, mirror: Mirror, object_id: str, ways: Sequence[str], lock: int) -> str | None:
        """Fetch an object by its id or name, or else everything, as the server likes; return its commit."""
        for way in (*ways, None):
            try:
                await self._fetch(mirror, way, object_id, lock)
            except GitFailed as failure:
                if trouble.MISSING.search(failure.said) and len(ways) == 1:
                    return None
                if way is None or not trouble.UNADVERTISED.search(failure.said):
                    raise
            else:
                break
        return await mirror.commit(object_id)

    @effect(Step.FETCH_SOURCE)
    async def _fetch(self, mirror: Mirror, wanted: str | None, keep: str, lock: int) -> None:
        if wanted is None:
            await mirror.fetch_all(lock=lock)
        else:
            await mirror.fetch(wanted, keep, lock=lock)


async def _asked(mirror: Mirror, name: str, lock: int) -> tuple[str, str | None]:
    """Ask what a name stands for: a branch before a tag, as git clone --branch does."""
    narrow = () if name == "HEAD" or name.startswith("refs/") else ("--heads", "--tags")
    found = await mirror.advertised(name, f"{name}^{{}}", narrow=narrow, lock=lock)
    for place in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
        if place in found:
            return place, found.get(f"{place}^{{}}", found[place])
    return name, None


@contextmanager
def _explaining(what: str, address: Address, *, silent_s: float = 0) -> Iterator[None]:
    """Raise SourceFailed for what git or the disk say."""
    try:
        yield
    except GitFailed as failure:
        raise trouble.explained(what, failure.said, address) from failure
    except GitSilent as failure:
        raise SourceFailed(
            f"cannot {what} of {address.shown}: nothing was heard for {silent_s:g} s; try again later, or let"
            " the operator raise the setting sources.git_timeout_seconds"
        ) from failure
    except OSError as failure:
        raise SourceFailed(f"cannot {what} of {address.shown}: {failure}") from failure


def _unused(folder: Path, seconds: float) -> list[Path]:
    """Return the folders of mirrors that were last used before so many seconds, and what is half removed."""
    if not folder.exists():
        return []
    now = time.time()
    return [each for each in folder.iterdir() if each.suffix == _GONE or now - _used(each) > seconds]


def _used(folder: Path) -> float:
    marker = folder / "address"
    return (marker if marker.exists() else folder).stat().st_mtime
