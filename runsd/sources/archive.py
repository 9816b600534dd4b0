"""What a tar archive must be like before it is kept: plain files, folders and links, all below one root."""

import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from runsd_sdk.paths import is_behind, is_inside, leads_outside

from runsd.errors import Refused, SourceFailed

MOST_FILES = 100_000
_MOST_AT_ONCE = 1024**2
_BLOCK = 512
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
# RecursionError: extended headers may follow one another without end.
_BROKEN: Final = (
    tarfile.TarError,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    TypeError,
    RecursionError,
)
_REMEDY = "send a plain, uncompressed tar of the directory"


def check_beginning(first: bytes) -> None:
    """Refuse what cannot be a plain tar archive by its first bytes."""
    for magic, name in _MAGIC.items():
        if first.startswith(magic):
            raise refused(f"it is compressed ({name}); {_REMEDY}")


def count_files(path: Path) -> int:
    """Return how many files and links an archive has. Raises Refused, naming the member that is wrong.

    Reads headers only, and never more than 1 MiB of it at once.
    """
    links: set[str] = set()
    files = 0
    try:
        with path.open("rb") as file, _opened(file) as archive:
            for member in _members(archive):
                _check(member, links)
                files += not member.isdir()
            _check_end(file, archive.offset)
    except _BROKEN as failure:
        raise refused(f"it is no whole tar archive ({failure}); {_REMEDY}") from failure
    if not files:
        raise refused(f"it has no files; {_REMEDY}")
    return files


def content_of(path: Path, name: str, *, most_bytes: int) -> bytes | None:
    """Return the bytes of a file in an archive that was found good, or None where it has none there."""
    found: bytes | None = None
    with path.open("rb") as file, _opened(file) as archive:
        for member in _members(archive):
            if posixpath.normpath(member.name) != posixpath.normpath(name):
                continue
            if member.size > most_bytes:
                raise SourceFailed(f"cannot read {name} of the source: it has more than {most_bytes} bytes")
            file.seek(member.offset_data)
            found = file.read(member.size) if member.isreg() else None  # the last of a name is what counts
    return found


def refused(why: str) -> Refused:
    """Return the error for an archive that is not kept."""
    return Refused(f"cannot take the source: {why}")


class _Sparing:
    """A file of which nobody reads much at once: extended headers say themselves how long they are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise ValueError("a header is too long")
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


def _opened(file: BinaryIO) -> tarfile.TarFile:
    sparing: Any = _Sparing(file)
    return tarfile.open(fileobj=sparing, mode="r:")


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    offset, count = -1, 0
    while (member := archive.next()) is not None:
        count += 1
        if count > MOST_FILES:
            raise refused(f"it has more than {MOST_FILES:,} members; leave out what runs do not need")
        if member.offset <= offset or member.size < 0:  # a header that leads back would be read for ever
            raise refused(f"its headers are wrong at {member.name[:100]!r}; {_REMEDY}")
        offset = member.offset
        archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
        yield member


def _check(member: tarfile.TarInfo, links: set[str]) -> None:
    name = posixpath.normpath(member.name)
    root = name == "." and not member.isdir()
    if root or not is_inside(member.name) or is_behind(name, links) or name in links:
        raise refused(f"{member.name[:200]!r} is not below the directory itself; leave it out")
    if member.issym():
        if leads_outside(name, member.linkname):
            raise refused(f"the link {member.name[:200]!r} leads out of the directory; leave it out")
        links.add(name)
    elif member.islnk():
        target = posixpath.normpath(member.linkname)
        if not is_inside(member.linkname) or is_behind(target, links) or target in links:
            raise refused(f"the link {member.name[:200]!r} leads out of the directory; leave it out")
    elif member.issparse():
        raise refused(f"{member.name[:200]!r} is a sparse file; {_REMEDY}, without --sparse")
    elif not (member.isreg() or member.isdir()):
        raise refused(f"{member.name[:200]!r} is a device or a pipe; leave it out")


def _check_end(file: BinaryIO, offset: int) -> None:
    """See that nothing comes after the end, for others may read on there."""
    file.seek(offset)
    while piece := file.read(_MOST_AT_ONCE):
        if piece.count(0) != len(piece):
            raise refused(f"something follows after its end; {_REMEDY}")
