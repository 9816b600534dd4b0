"""The data directory: held by one daemon at a time, and never used while it is half restored."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runsd.errors import NotNow

STATE = "runsd.db"
LOGS = "logs.db"
UPLOADS = Path("sources", "uploads")
LOCK = "lock"
KEY = "secrets.key"
RESTORING = "restoring"
"""Stands in the directory while a backup is being put into it: what is there is not whole."""


@contextmanager
def held(directory: Path, *, to_restore: bool = False) -> Iterator[None]:
    """Make the directory if need be, and hold it: two daemons on one database would give every run two.

    The lock is the kernel's and ends with the process, however that ends. Raises NotNow when another process
    holds it, or when a restore has not been finished, unless this is one.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            raise NotNow(
                f"cannot use {directory}: another runsd holds it; stop that one or choose another --data-dir"
            ) from failure
        if not to_restore and (directory / RESTORING).exists():
            raise NotNow(f"cannot use {directory}: it is half restored; repeat `runsd restore` to finish it")
        yield
    finally:
        os.close(lock)
