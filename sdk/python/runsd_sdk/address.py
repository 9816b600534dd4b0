"""Where the daemon listens, and as whom one speaks to it."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from runsd_sdk.errors import InvalidAddress

SYSTEM_SOCKET = "/run/runsd/runsd.sock"
PROBE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A daemon's place: a Unix socket, or the base of an HTTP server, and the caller's headers.

    ``ca_file`` has the certificates to trust there, instead of the public authorities.
    """

    base_url: str
    socket: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str | None = None

    @property
    def name(self) -> str:
        """What a person would call this place."""
        return self.socket or self.base_url


def find(
    host: str | None = None,
    *,
    api_key: str | None = None,
    project: str | None = None,
    ca_file: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Address:
    """Return the daemon's address: ``host``, else RUNSD_HOST, else the user's socket, else the system's.

    Where both sockets exist, the first that somebody listens at. Key, project and certificates default to
    RUNSD_API_KEY, RUNSD_PROJECT and RUNSD_CA_FILE. Raises InvalidAddress.
    """
    environ = os.environ if environ is None else environ
    headers: dict[str, str] = {}
    if key := api_key or environ.get("RUNSD_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    if name := project or environ.get("RUNSD_PROJECT"):
        headers["Runsd-Project"] = name
    base_url, path = _place(host or environ.get("RUNSD_HOST") or _local_socket(environ))
    trusted = ca_file or environ.get("RUNSD_CA_FILE") or None
    return Address(base_url=base_url, socket=path, headers=headers, ca_file=trusted)


def _local_socket(environ: Mapping[str, str]) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    places = (f"{runtime}/runsd/runsd.sock", SYSTEM_SOCKET)
    # Path.exists raises where a directory may not be entered
    there = [place for place in places if os.path.exists(place)]  # noqa: PTH110
    if len(there) > 1:  # a killed daemon leaves its socket behind
        return f"unix://{next(filter(_is_listened_at, there), there[0])}"
    return f"unix://{there[0] if there else SYSTEM_SOCKET}"


def _is_listened_at(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except (BlockingIOError, TimeoutError):
            return True  # unix(7): the backlog is full; a daemon that is busy is still a daemon
        except OSError:
            return False
    return True


def _place(host: str) -> tuple[str, str | None]:
    if host.startswith(("http://", "https://")):
        return host.rstrip("/"), None
    path = host.removeprefix("unix://")
    if not path.startswith("/"):
        raise unusable(host)
    return "http://localhost", path


def unusable(host: str) -> InvalidAddress:
    """Return the error for an address that cannot be understood, with the forms that can."""
    return InvalidAddress(
        f"cannot use the address {host!r}; write unix:///path/to.sock or http://host:7070, the port a number"
    )
