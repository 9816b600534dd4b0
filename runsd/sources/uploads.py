"""Uploads: sources that were sent as tar archives, each kept once, under the digest of its bytes.

Projects share the bytes and nothing else: each that has sent them has a mark beside them, and to all others
there is no such upload. One from before there were projects has no marks, and is the default project's.
"""

import asyncio
import errno
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import structlog
from runsd_sdk.quantity import format_bytes

from runsd.access import DEFAULT_PROJECT
from runsd.clock import Clock
from runsd.errors import Conflicting, NotNow, TooLarge, Unknown
from runsd.faults import Step, effect
from runsd.files import private, sync_directory
from runsd.sources import archive

log = structlog.get_logger()

_PREFIX = "src_"
_DIGITS = 32
_PIECE = 256 * 1024
_DAY_S = 24 * 3600
_PART = ".part"
TAR = "source.tar"
ABOUT = "about.json"
_MARK = "project."
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Upload:
    """A source that a project has sent, when it did first. ``new`` tells whether that was just now."""

    id: str
    size_bytes: int
    files: int
    created_us: int
    sha256: str
    new: bool = False


class Uploads:
    """The uploads in one folder: for each a directory, made aside, written to the disk, and renamed."""

    def __init__(self, folder: Path, *, max_bytes: int, clock: Clock) -> None:
        self.max_bytes = max_bytes
        self._folder = folder
        self._clock = clock
        self._parts: set[str] = set()
        self._turn, self._marking = threading.Lock(), threading.Lock()

    async def store(self, project: str, chunks: AsyncIterator[bytes]) -> Upload:
        """Keep a plain tar archive for a project, and return it when it would survive a power cut.

        The same bytes are the same upload. Raises Refused for what is no archive of a directory, TooLarge,
        and NotNow when the disk is full; nothing is left then.
        """
        part = self._folder / f"{uuid.uuid4().hex}{_PART}"
        self._parts.add(part.name)
        try:
            digest, size = await self._received(chunks, part)
            files = await asyncio.to_thread(archive.count_files, part / TAR)
            upload = Upload(f"{_PREFIX}{digest[:_DIGITS]}", size, files, self._clock(), digest, new=True)
            return await self._keep(project, upload, part)
        except OSError as failure:
            if failure.errno not in _FULL:
                raise
            said = f"cannot keep the source: the disk of {self._folder} is full; make room and send it again"
            raise NotNow(said, code="disk") from failure
        finally:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
            self._parts.discard(part.name)

    async def get(self, project: str, upload_id: str) -> Upload:
        """Return an upload of a project, which nobody will remove for as long as keep_days from now.

        Raises Unknown.
        """
        upload = await asyncio.to_thread(self._of_project, project, upload_id)
        if upload is None:
            raise _unknown(upload_id)
        return upload

    async def exists(self, project: str, upload_id: str) -> bool:
        """Say whether a project has an upload; see get."""
        return await asyncio.to_thread(self._of_project, project, upload_id) is not None

    async def forget_project(self, project: str) -> None:
        """Take all uploads from a project; the bytes go when nobody has used them for long."""
        await asyncio.to_thread(self._unmark, project)

    @asynccontextmanager
    async def open(self, upload_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Lend the bytes of an upload, whose project has accepted the run that asks. Raises Unknown."""
        await self._require(upload_id)
        file = await asyncio.to_thread((self._folder / upload_id / TAR).open, "rb")
        with file:
            async with aclosing(_pieces(file)) as pieces:
                yield pieces

    async def file(self, upload_id: str, path: str, *, most_bytes: int) -> bytes | None:
        """Return the bytes of one file of an upload, or None where it has none there.

        Raises Unknown, and SourceFailed where it has more bytes.
        """
        await self._require(upload_id)
        tar = self._folder / upload_id / TAR
        return await asyncio.to_thread(archive.content_of, tar, path, most_bytes=most_bytes)

    async def collect(
        self, keep_days: float, in_use: Callable[[Collection[str]], Awaitable[Collection[str]]]
    ) -> int:
        """Remove uploads that were not asked for in so many days; return how many.

        ``in_use`` returns which of some ids runs refer to: they stay. So does what is asked for meanwhile.
        """
        old = await asyncio.to_thread(self._unused, keep_days * _DAY_S)
        used = await in_use(old) if old else ()
        removed = 0
        for upload_id in old:
            if upload_id not in used:
                removed += await asyncio.to_thread(self._remove, upload_id, keep_days * _DAY_S)
        if removed:
            log.info("uploads.removed", count=removed)
        return removed

    async def _require(self, upload_id: str) -> None:
        if await asyncio.to_thread(self._found, upload_id) is None:
            raise _unknown(upload_id)

    async def _received(self, chunks: AsyncIterator[bytes], part: Path) -> tuple[str, int]:
        """Write what comes, and return its digest and size."""
        digest, size, waiting = hashlib.sha256(), 0, bytearray()
        with await asyncio.to_thread(_new_file, part) as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > self.max_bytes:
                    raise self.too_large()
                waiting += chunk
                if len(waiting) >= _PIECE:
                    if file.tell() == 0:
                        archive.check_beginning(bytes(waiting[:16]))
                    await asyncio.to_thread(_write, file, digest, bytes(waiting))
                    waiting.clear()
            if size == len(waiting):
                archive.check_beginning(bytes(waiting[:16]))
            await asyncio.to_thread(_write, file, digest, bytes(waiting))
            await asyncio.to_thread(_sync, file)
        return digest.hexdigest(), size

    def too_large(self) -> TooLarge:
        """Return the error for a source that is over the bound."""
        return TooLarge(
            f"cannot take the source: it is larger than {format_bytes(self.max_bytes)}; leave out what runs"
            " do not need (.gitignore), or put large data into a volume"
        )

    @effect(Step.STORE_UPLOAD)
    async def _keep(self, project: str, upload: Upload, part: Path) -> Upload:
        return await asyncio.to_thread(self._renamed, project, upload, part)

    def _renamed(self, project: str, upload: Upload, part: Path) -> Upload:
        mark(part, project, upload.created_us)
        note(part, files=upload.files, created_us=0, sha256=upload.sha256)
        try:
            part.rename(self._folder / upload.id)
        except OSError as failure:
            if failure.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            sync_directory(self._folder)
            return upload
        before = self._found(upload.id)
        if before is None:  # it was just removed
            return self._renamed(project, upload, part)
        if before.sha256 != upload.sha256:
            raise Conflicting("cannot keep the source: another one has its id; change anything in it")
        with self._marking:
            if (known := self._of_project(project, upload.id)) is not None:
                return known
            mark(self._folder / upload.id, project, upload.created_us)
            sync_directory(self._folder / upload.id)
        return upload

    def _of_project(self, project: str, upload_id: str) -> Upload | None:
        """Return an upload as a project knows it; when others have sent the same is not its business."""
        found = self._found(upload_id)
        if found is None or (found.created_us and project == DEFAULT_PROJECT):
            return found  # from before there were projects, if there is one
        with suppress(FileNotFoundError):
            sent = (self._folder / found.id / f"{_MARK}{project}").stat()
            return replace(found, created_us=sent.st_mtime_ns // 1000)
        return None

    def _unmark(self, project: str) -> None:
        if self._folder.exists():
            for folder in list(self._folder.iterdir()):
                (folder / f"{_MARK}{project}").unlink(missing_ok=True)

    def _found(self, upload_id: str) -> Upload | None:
        if not is_id(upload_id):
            return None
        folder = self._folder / upload_id
        with suppress(FileNotFoundError):
            values = json.loads((folder / ABOUT).read_bytes())
            with self._turn:
                os.utime(folder / ABOUT)
            size = (folder / TAR).stat().st_size
            return Upload(upload_id, size, values["files"], values.get("createdUs", 0), values["sha256"])
        return None

    def _unused(self, seconds: float) -> list[str]:
        """Return uploads that are old, after removing what a crash has left half stored or half removed."""
        if not self._folder.exists():
            return []
        old = []
        for folder in list(self._folder.iterdir()):
            if folder.suffix == _PART and folder.name not in self._parts:
                shutil.rmtree(folder, ignore_errors=True)
            elif is_id(folder.name) and _is_older(folder, seconds):
                old.append(folder.name)
        return old

    def _remove(self, upload_id: str, seconds: float) -> bool:
        folder = self._folder / upload_id
        gone = folder.with_suffix(_PART)
        with self._turn:
            if not _is_older(folder, seconds):
                return False
            folder.rename(gone)  # whoever reads it has it open; nobody finds half of it
        shutil.rmtree(gone, ignore_errors=True)
        return True


def _unknown(upload_id: str) -> Unknown:
    return Unknown(
        f"there is no source {upload_id[:64]!r}, or no longer; send it (again) with POST /v1/sources"
    )


def note(folder: Path, *, files: int, created_us: int, sha256: str) -> None:
    """Write beside an archive what is known of it, to the disk; its time is that of the last use.

    ``created_us`` is 0 for one with marks: these know when.
    """
    with private(folder / ABOUT) as about:
        values = {"files": files, "createdUs": created_us, "sha256": sha256}
        about.write(json.dumps(values).encode())
        about.flush()
        os.fsync(about.fileno())
    sync_directory(folder)


def mark(folder: Path, project: str, created_us: int) -> None:
    """Say in a folder that a project has sent it, and when."""
    with private(folder / f"{_MARK}{project}") as file:
        os.utime(file.fileno(), ns=(created_us * 1000, created_us * 1000))
        os.fsync(file.fileno())


def marks(folder: Path) -> dict[str, int]:
    """Return which projects have sent what is in a folder, and when: microseconds since the epoch."""
    return {
        file.name.removeprefix(_MARK): file.stat().st_mtime_ns // 1000 for file in folder.glob(f"{_MARK}*")
    }


def is_id(text: str) -> bool:
    """Say whether a text could be an upload's id."""
    digits = text.removeprefix(_PREFIX)
    return text.startswith(_PREFIX) and len(digits) == _DIGITS and set(digits) <= set("0123456789abcdef")


def _is_older(folder: Path, seconds: float) -> bool:
    with suppress(FileNotFoundError):
        return time.time() - (folder / ABOUT).stat().st_mtime > seconds
    return False


def _new_file(part: Path) -> BinaryIO:
    part.mkdir(mode=0o700, parents=True)
    return private(part / TAR)


def _write(file: BinaryIO, digest: "hashlib._Hash", content: bytes) -> None:
    digest.update(content)
    file.write(content)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece
