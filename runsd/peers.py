"""Users of this host: who is at the other end of a Unix socket, and which number a name stands for."""

import os
import pwd
import socket
import struct
from dataclasses import dataclass

from runsd.errors import Refused

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_MOST_UID = 2**32 - 2  # chown(2): -1 is nobody


@dataclass(frozen=True, slots=True)
class User:
    """A user by number; ``name`` None where the host has none for it."""

    uid: int
    name: str | None


def peer_uid(connection: socket.socket) -> int:
    """Return the user of the process that made a connection to a Unix socket, as the kernel saw it then."""
    given = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(given)[1]
    return uid


def own_uid() -> int:
    """Return the user that this process runs as."""
    return os.geteuid()


def user(said: str | int) -> User:
    """Return the user of that number or name. It may ask the network. Raises Refused for an unknown name."""
    text = str(said)
    if text.isascii() and text.isdecimal() and int(text) <= _MOST_UID:
        return User(int(text), name_of(int(text)))
    try:
        return User(pwd.getpwnam(text).pw_uid, text)
    except (KeyError, ValueError) as failure:
        raise Refused(
            f"this host has no user {text[:64]!r}; name one of it, or a number",
            errors=[(("members",), f"this host has no user {text[:64]!r}")],
        ) from failure


def name_of(uid: int) -> str | None:
    """Return what this host calls a user. It may ask the network."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
