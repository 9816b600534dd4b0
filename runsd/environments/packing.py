"""Packing: tar archives piece by piece, the same bytes for the same content."""

import asyncio
import os
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path

_CHUNK = 1024**2
# What cannot be told from 1980 is refused by zip, and by who packs a file of the environment with it.
_MTIME = 315_532_800 + 366 * 86_400


def folder(name: str) -> Iterator[bytes]:
    """Return an empty folder."""
    entry = _entry(name, 0o755)
    entry.type = tarfile.DIRTYPE
    yield _header(entry)


def file(name: str, content: bytes) -> Iterator[bytes]:
    """Return a file with this content."""
    entry = _entry(name, 0o644)
    entry.size = len(content)
    yield _header(entry) + _padded(content)


def member(path: Path, name: str) -> Iterator[bytes]:
    """Return a file, a symbolic link or an empty folder of this host."""
    found = path.lstat()
    entry = _entry(name, 0o755 if found.st_mode & stat.S_IXUSR else 0o644)
    if path.is_symlink():
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, os.readlink(path), 0o777  # noqa: PTH115
        yield _header(entry)
    elif path.is_dir():
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        yield _header(entry)
    elif path.is_file():
        entry.size = found.st_size
        yield _header(entry)
        with path.open("rb") as content:
            while chunk := content.read(_CHUNK):  # of more than one all but the last are whole blocks
                yield _padded(chunk)


def end() -> Iterator[bytes]:
    """Return what an archive ends with."""
    yield bytes(2 * tarfile.BLOCKSIZE)


def gathered(*parts: Iterator[bytes]) -> Iterator[bytes]:
    """Return the parts one after the other, in few pieces."""
    waiting: list[bytes] = []
    size = 0
    for piece in chain(*parts):
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    yield b"".join(waiting)


async def in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Walk what reads files without holding up the event loop."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = mode, _MTIME
    return entry


def _header(entry: tarfile.TarInfo) -> bytes:
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)
