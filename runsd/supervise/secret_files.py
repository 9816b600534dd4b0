"""Secret files: what runs get as files, on this host's tmpfs for as long as their containers need it.

An attempt has a directory of its own, which is there whole or not at all and is mounted into its container,
read-only. Nobody but the daemon's user gets through the directory above it; within a container, whoever runs
there may read.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from runsd.errors import NotNow
from runsd.faults import Step, effect
from runsd.files import existing, file_system

log = structlog.get_logger()

_IN_MEMORY = ("tmpfs", "ramfs")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own in it
_PART = ".part"


class SecretFiles:
    """The directories of attempts, by the names of their containers."""

    def __init__(self, directory: Path | None, *, instance: str, trouble: str | None = None) -> None:
        self.trouble = trouble
        """Why no run can have secret files here, if none can."""
        self._directory = None if directory is None or trouble else directory
        self._instance = instance

    @classmethod
    def placed(cls, wanted: Path | None, usual: Path, *, instance: str, engine_here: bool) -> "SecretFiles":
        """Find a place in this host's memory: the one that is wanted, or the first that will do."""
        if not engine_here:
            return cls(None, instance=instance, trouble="the Engine is on another host")
        places = (usual, _SHARED_MEMORY / f"runsd-{os.geteuid()}") if wanted is None else (wanted,)
        for place in places:
            if file_system(existing(place)) in _IN_MEMORY:
                return cls(place, instance=instance)
        named = " and ".join(str(place) for place in places)
        said = f"{named} is on no tmpfs; let the operator name one in the setting secrets.directory"
        return cls(None, instance=instance, trouble=said)

    @effect(Step.LAY_OUT_SECRETS)
    async def lay_out(self, name: str, files: Mapping[str, bytes]) -> Path:
        """Return the directory with these files for an attempt; made if it is not there. Raises NotNow."""
        directory = self._own()
        try:
            return await asyncio.to_thread(_laid_out, directory, name, files)
        except OSError as failure:
            said = f"cannot lay out secrets in {directory}: {failure.strerror}"
            raise NotNow(f"{said}; it is tried again") from failure

    @effect(Step.CLEAR_SECRETS)
    async def clear(self, name: str) -> None:
        """Remove what an attempt has been given, if anything; its container is gone."""
        if self._directory is not None:
            await asyncio.to_thread(_removed, self._own(), name)

    async def left_over(self) -> list[str]:
        """Return the names of all attempts that have a directory."""
        return [] if self._directory is None else await asyncio.to_thread(_names, self._own())

    async def close(self) -> None:
        """Leave nothing empty behind."""
        if self._directory is not None:
            with suppress(OSError):  # files of runs that go on are in it, or it was never made
                await asyncio.to_thread(self._own().rmdir)

    def _own(self) -> Path:
        if self._directory is None:
            raise NotNow(f"cannot lay out secrets: {self.trouble}")
        return self._directory / self._instance


def _laid_out(directory: Path, name: str, files: Mapping[str, bytes]) -> Path:
    whole, part = directory / name, directory / f"{name}{_PART}"
    if whole.exists():
        return whole
    _make_private(directory)
    shutil.rmtree(part, ignore_errors=True)
    for path, content in files.items():
        (part / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (part / path).write_bytes(content)
    for each in (part, *part.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o444)  # whatever the daemon's umask is
    part.rename(whole)
    return whole


def _make_private(directory: Path) -> None:
    """Make a directory that is ours alone, also where everybody may make one. Raises PermissionError."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    above, own = directory.parent.lstat(), directory.lstat()
    loose = above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX  # others could put theirs in its place
    if loose or above.st_uid not in (0, os.geteuid()) or not stat.S_ISDIR(above.st_mode):
        raise PermissionError(1, f"others may change what is in {directory.parent}")
    if own.st_uid != os.geteuid() or not stat.S_ISDIR(own.st_mode):
        raise PermissionError(1, f"{directory} belongs to somebody else")
    directory.chmod(0o700)


def _removed(directory: Path, name: str) -> None:
    for left in (directory / name, directory / f"{name}{_PART}"):
        shutil.rmtree(left, ignore_errors=True)
        if left.exists():
            log.warning("secrets.not_removed", path=str(left))


def _names(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []
    return sorted({entry.name.removesuffix(_PART) for entry in directory.iterdir()})
