"""Backups: one file that holds state, logs and uploads as they were at one moment, and the way back from it.

The copy is taken beside a serving daemon: a reader stops no writer, and each database is copied out of one
snapshot. That of the state is taken first, so that the log of every run that is over in it is whole. The
manifest is the archive's last member: a file without it was never finished.
"""

import hashlib
import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from runsd import __version__
from runsd.clock import Clock, instant
from runsd.datadir import LOGS, STATE, UPLOADS
from runsd.errors import NotNow, Refused
from runsd.files import private, require_room, sync_directory
from runsd.sources import carried
from runsd.sources.carried import Carried

Progress = Callable[[str, int, int], None]
"""Is told which file is being copied, the bytes that are done, and all."""

MANIFEST = "manifest.json"
FORMAT = 2
_STEP_PAGES = 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Member(_Part):
    """A database in a backup."""

    bytes: int
    schema_version: int
    sha256: str


class Manifest(_Part):
    """What a backup says of itself."""

    format: int
    version: str
    instance: str
    taken_at: datetime
    files: dict[str, Member]
    uploads: dict[str, Carried] = {}

    @property
    def size(self) -> int:
        """How many bytes it all has."""
        databases = sum(member.bytes for member in self.files.values())
        return databases + sum(upload.bytes for upload in self.uploads.values())


def back_up_to(file: Path, data_dir: Path, *, replace: bool, clock: Clock, progress: Progress) -> Manifest:
    """Put a backup of a data directory at a path, whole and on the disk, or not at all.

    Raises Refused for a file that is there already, unless it is to be replaced; NotNow as ``back_up`` does.
    """
    if file.exists() and not replace:
        raise Refused(f"cannot back up to {file}: it exists; choose another name, or --force to replace it")
    try:
        whole, largest = _sizes(data_dir)
        whole += carried.size(data_dir / UPLOADS)
        require_room(file.parent, whole + largest, f"back up to {file}")
        with tempfile.TemporaryDirectory(prefix=".runsd-backup-", dir=file.parent) as made:
            part, scratch = Path(made) / "part", Path(made)
            with private(part) as sink:
                manifest = back_up(data_dir, sink, scratch=scratch, clock=clock, progress=progress)
                sink.flush()
                os.fsync(sink.fileno())
            part.replace(file)
        sync_directory(file.parent)
    except OSError as failure:
        raise NotNow(f"cannot back up to {file}: {failure.strerror or failure}") from failure
    return manifest


def back_up(data_dir: Path, sink: IO[bytes], *, scratch: Path, clock: Clock, progress: Progress) -> Manifest:
    """Write a backup of a data directory; ``scratch`` has room for the larger of its databases.

    Raises NotNow when there is no state, or it cannot be read, is damaged or finds no room.
    """
    files: dict[str, Member] = {}
    try:
        with ExitStack() as stack:
            sources = {name: stack.enter_context(_snapshot(data_dir / name)) for name in (STATE, LOGS)}
            taken_us, instance = clock(), _instance(sources[STATE])
            tar = stack.enter_context(tarfile.open(fileobj=sink, mode="w|"))
            for name, source in sources.items():
                copy = scratch / name
                schema = _copy(source, copy, partial(progress, name))
                source.rollback()  # the snapshot keeps the WAL from being used again
                files[name] = _add(tar, copy, schema, taken_us)
                copy.unlink()
            uploads = carried.pack(
                data_dir / UPLOADS, tar, mtime=taken_us // 1_000_000, progress=partial(progress, "sources")
            )
            manifest = Manifest(
                format=FORMAT, version=__version__, instance=instance,
                taken_at=instant(taken_us), files=files, uploads=uploads,
            )  # fmt: skip
            content = manifest.model_dump_json(indent=2).encode() + b"\n"
            tar.addfile(_entry(MANIFEST, len(content), taken_us), io.BytesIO(content))
    except (sqlite3.Error, OSError) as failure:
        raise NotNow(f"cannot back up {data_dir}: {failure}") from failure
    return manifest


def _sizes(data_dir: Path) -> tuple[int, int]:
    """Return the bytes of both databases, and those of the larger, at the most."""
    files = [[data_dir / f"{name}{more}" for more in ("", "-wal")] for name in (STATE, LOGS)]
    sizes = [sum(file.stat().st_size for file in both if file.exists()) for both in files]
    return sum(sizes), max(sizes)


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database as it is now, for as long as it takes."""
    if not path.exists():
        raise NotNow(f"cannot back up {path.parent}: there is no {path.name} in it; name its --data-dir")
    # mode=rw: to read a WAL takes the right to write its index, but nothing may be made here.
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True)) as connection:
        connection.isolation_level = None
        connection.execute("begin")
        connection.execute("select count(*) from sqlite_schema").fetchone()  # now it has begun
        yield connection


def _instance(state: sqlite3.Connection) -> str:
    row = state.execute("select value from meta where key = 'instance'").fetchone()
    if row is None:
        raise NotNow("cannot back up: the daemon has not yet made its state; start it once")
    return str(row[0])


def _copy(source: sqlite3.Connection, target: Path, progress: Callable[[int, int], None]) -> int:
    """Copy a snapshot, check the copy, and return its schema."""
    page_size: int = source.execute("pragma page_size").fetchone()[0]

    def told(_status: int, remaining: int, total: int) -> None:
        progress((total - remaining) * page_size, total * page_size)

    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("pragma synchronous = off")  # a copy that a power cut ends is made again
        source.backup(copy, pages=_STEP_PAGES, progress=told)
        require_sound(copy, target.name)
        schema: int = copy.execute("pragma user_version").fetchone()[0]
    return schema


def require_sound(database: sqlite3.Connection, name: str) -> None:
    """Raise NotNow for a database whose structure is broken."""
    (said,) = database.execute("pragma quick_check(1)").fetchone()
    if said != "ok":
        raise NotNow(f"{name} is damaged: {said}; `sqlite3 {name} .recover` saves what can be read")


def _add(tar: tarfile.TarFile, path: Path, schema: int, taken_us: int) -> Member:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        entry = _entry(path.name, path.stat().st_size, taken_us)
        tar.addfile(entry, file)
    return Member(bytes=entry.size, schema_version=schema, sha256=sha256)


def _entry(name: str, size: int, taken_us: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, taken_us // 1_000_000
    return entry
