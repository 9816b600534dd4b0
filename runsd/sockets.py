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

    A socket file that nobody answers at is replaced, and ours is removed at the end; the one that systemd
    passed is systemd's to remove. Raises NotNow when another daemon answers there, when the path is no socket
    or cannot be made, or when what was passed is not one listening Unix socket.
    """
    passed = _passed()
    if passed is not None:
        with passed:
            yield passed
        return
    with _bound(path) as listener:
        made = _identity(path)
        try:
            yield listener
        finally:
            if _identity(path) == made:
                path.unlink(missing_ok=True)


def _passed() -> socket.socket | None:
    # Taken once and out of the environment: they are not meant for programs that we start.
    pid, number, _ = (os.environ.pop(f"LISTEN_{name}", None) for name in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()):
        return None
    if number != "1":
        raise NotNow(f"cannot use {number} passed sockets: exactly one is expected; check runsd.socket")
    passed = socket.socket(fileno=_FIRST_PASSED)
    # Whoever reaches a socket of runsd may start containers: only a Unix socket has a group and a mode.
    if passed.family != socket.AF_UNIX or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.close()
        raise NotNow("cannot use the passed socket: it is no listening Unix socket; check runsd.socket")
    passed.set_inheritable(False)
    return passed


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
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # unix(7): the backlog is full; a daemon that hangs is still a daemon
    raise NotNow(f"cannot listen at {path}: another daemon answers there; stop it or choose another --socket")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
