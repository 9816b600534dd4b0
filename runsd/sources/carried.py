"""Uploads in a backup: read as they are kept, each one file of the archive, and put back in the same way.

They are never changed, only added and removed: whichever a run in the backup names was there before it. One
that is removed meanwhile was not asked for in long, and is left out.
"""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict
from runsd_sdk.project import ProjectName

from runsd.errors import NotNow
from runsd.files import private, sync_directory, sync_file
from runsd.sources.uploads import ABOUT, TAR, is_id, mark, marks, note

PREFIX = "sources/"
_SUFFIX = ".tar"
_PIECE = 1024**2


class Carried(BaseModel):
    """An upload in a backup, as its manifest has it. ``projects`` have sent it, each at a time of its own."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    files: int
    created_us: int
    sha256: str
    projects: dict[ProjectName, int] = {}


def size(folder: Path) -> int:
    """Return how many bytes the uploads in a folder have."""
    total = 0
    for place in _kept(folder):
        with suppress(FileNotFoundError):
            total += (place / TAR).stat().st_size
    return total


def pack(
    folder: Path, tar: tarfile.TarFile, *, mtime: int, progress: Callable[[int, int], None]
) -> dict[str, Carried]:
    """Add every upload of a folder to an archive. Raises NotNow for one that is not what was sent."""
    whole, done = size(folder), 0
    packed: dict[str, Carried] = {}
    for place in _kept(folder):
        with _opened(place) as found:
            if found is None:
                continue
            about, file = found
            entry = tarfile.TarInfo(f"{PREFIX}{place.name}{_SUFFIX}")
            entry.size, entry.mode, entry.mtime = (place / TAR).stat().st_size, 0o600, mtime
            read = _Hashed(file)
            tar.addfile(entry, read)
        if read.sha256 != about.get("sha256"):
            raise NotNow(
                f"cannot back up {place}: it is not what was sent; remove it, and send the directory again"
            )
        packed[place.name] = Carried(
            bytes=entry.size, files=about["files"], created_us=about["createdUs"], sha256=read.sha256,
            projects=marks(place),
        )  # fmt: skip
        done += entry.size
        progress(done, max(whole, done))
    return packed


def unpack(name: str, content: IO[bytes], folder: Path) -> None:
    """Put a file of an archive where uploads are kept; ``check`` makes one of it. Raises TarError."""
    upload_id = name.removeprefix(PREFIX).removesuffix(_SUFFIX)
    if name != f"{PREFIX}{upload_id}{_SUFFIX}" or not is_id(upload_id):
        raise tarfile.TarError(f"{name!r} does not belong into a backup")
    place = folder / upload_id
    place.mkdir(mode=0o700, parents=True)
    with private(place / TAR) as target:
        shutil.copyfileobj(content, target, _PIECE)


def check(uploads: Mapping[str, Carried], folder: Path) -> None:
    """Make uploads of what was put there, on the disk. Raises TarError when they are not those of a manifest.

    They count as just sent: whoever restores an old backup has time to use them.
    """
    if {place.name for place in _kept(folder)} != uploads.keys():
        raise tarfile.TarError("it does not hold the sources that it should")
    for upload_id, carried in uploads.items():
        place = folder / upload_id
        with (place / TAR).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != carried.sha256:
                raise tarfile.TarError(f"the source {upload_id} is not what was backed up")
        sync_file(place / TAR)
        for project, created_us in carried.projects.items():
            mark(place, project, created_us)
        note(place, files=carried.files, created_us=carried.created_us, sha256=carried.sha256)
    for made in (folder, folder.parent) if uploads else ():
        sync_directory(made)


def _kept(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if is_id(place.name)) if folder.exists() else []


@contextmanager
def _opened(place: Path) -> Iterator[tuple[Mapping[str, Any], IO[bytes]] | None]:
    try:
        written, file = (place / ABOUT).read_bytes(), (place / TAR).open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield _understood(written), file


def _understood(about: bytes) -> Mapping[str, Any]:
    try:
        return dict(json.loads(about))
    except (ValueError, TypeError):
        return {}


class _Hashed:
    """A file whose digest is known when it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, most: int = -1) -> bytes:
        """Read on."""
        piece = self._file.read(most)
        self._digest.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        """The digest of what was read."""
        return self._digest.hexdigest()
