"""A small disk of the tests' own: a file system in a file, mounted where a test wants it, and ballast."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1024**2


class SmallDisk:
    """A mounted file system that a test may fill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free(self) -> int:
        """Free bytes."""
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def fill(self, *, leave: int) -> None:
        """Put ballast on it, so that no more than so many bytes stay free."""
        with self._ballast.open("ab") as ballast:
            step = 16 * MIB
            while (over := self.free - leave) > 0 and step >= 4096:
                size = os.fstat(ballast.fileno()).st_size
                try:
                    os.posix_fallocate(ballast.fileno(), size, max(4096, min(step, over)))
                except OSError as failure:
                    if failure.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def clear(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[SmallDisk]:
    """Mount a new, empty file system of so many bytes. Needs "small-disks"."""
    image = path.with_name(f"{path.name}.img")
    with image.open("wb") as file:
        file.truncate(size)
    # Nothing is reserved for root, who fills it up here.
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(path))  # mount(8): the loop device is freed by the unmount
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", str(path))
        image.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60, capture_output=True)
