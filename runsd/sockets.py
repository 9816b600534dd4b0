"""The socket that clients connect to: systemd's, or our own, and never somebody else's."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runsd.errors import NotNow

_FIRST_PASSED = 3  # sd_listen_fds(3)
_MODE = 0o660
_BACKLOG = 1024


@contextmanager
def listening_socket(path: Path) -> Iterator[socket.socket]:
    """Lend a listening Unix socket: the one that systemd passed, or a new one at the path, mode 0660.

    A socket file that nobody answers at is replaced. Raises NotNow when another daemon answers there, or
    when the path is no socket or cannot be made.
    """
    passed = _passed()
    if passed is not None:
        with passed:
            yield passed
        return
    listener = _bound(path)
    try:
        with listener:
            yield listener
    finally:
        path.unlink(missing_ok=True)


def _passed() -> socket.socket | None:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if os.environ.get("LISTEN_FDS") != "1":
        raise NotNow("cannot use the sockets that were passed: exactly one is expected; check runsd.socket")
    return socket.socket(fileno=_FIRST_PASSED)


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _clear(path)
        # The umask closes the moment between bind and chmod in which anybody could connect.
        before = os.umask(0o777 & ~_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
    except OSError as failure:
        listener.close()
        raise NotNow(
            f"cannot listen at {path}: {failure.strerror or failure}; choose another --socket"
        ) from failure
    except NotNow:
        listener.close()
        raise
    return listener


def _clear(path: Path) -> None:
    """Remove what a killed daemon left at the path."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise NotNow(f"cannot listen at {path}: something else is there; choose another --socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise NotNow(f"cannot listen at {path}: another daemon answers there; stop it or choose another --socket")
