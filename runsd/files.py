"""Files that are there whole or not at all, also after a power cut."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

import psutil
from runsd_sdk.quantity import format_bytes

from runsd.errors import NotNow

_AT_ONCE = 64 * 1024**2
# What else is written meanwhile must not be what a full disk stops.
_TO_SPARE_BYTES = 16 * 1024**2


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file that nobody changes; ``target`` appears, or is replaced, when its bytes are on the disk.

    File systems that can (btrfs, xfs) share the blocks, so that the copy takes neither time nor room. Raises
    OSError and leaves nothing behind.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with source.open("rb") as reader, private(part) as writer:
            while os.copy_file_range(reader.fileno(), writer.fileno(), _AT_ONCE):
                pass
            os.fsync(writer.fileno())
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def private(path: Path) -> BinaryIO:
    """Make or empty a file that its owner alone may read, and open it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def sync_file(path: Path) -> None:
    """Return when a file's bytes are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Return when what was made, renamed or removed in a directory is on the disk: fsync(2), NOTES."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def require_room(place: Path, needed: int, purpose: str) -> None:
    """Raise NotNow when a directory's disk has less room than this many bytes and a little to spare."""
    free = shutil.disk_usage(place).free
    if free < needed + _TO_SPARE_BYTES:
        raise NotNow(
            f"cannot {purpose}: it needs {format_bytes(needed + _TO_SPARE_BYTES)} in {place}, where"
            f" {format_bytes(free)} are free; make room and try again",
            code="disk",
        )


def existing(path: Path) -> Path:
    """Return the path, or the nearest directory above it that is there."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if os.path.lexists(place))


def file_system(path: Path) -> str:
    """Return the kind of file system that holds a path."""
    real = path.resolve()
    mounted = [part for part in psutil.disk_partitions(all=True) if real.is_relative_to(part.mountpoint)]
    # Of mounts at one place the last covers those before it.
    longest = max(mounted, key=lambda part: (len(part.mountpoint), mounted.index(part)), default=None)
    return longest.fstype if longest else "unknown"


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
