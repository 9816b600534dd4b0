"""Where the daemon listens, and as whom one speaks to it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runsd_sdk.errors import InvalidAddress

SYSTEM_SOCKET = "/run/runsd/runsd.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A daemon's place: a Unix socket, or the base of an HTTP server, and the caller's headers."""

    base_url: str
    socket: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a person would call this place."""
        return self.socket or self.base_url


def find(
    host: str | None = None,
    *,
    api_key: str | None = None,
    project: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Address:
    """Return the daemon's address: ``host``, else RUNSD_HOST, else the user's socket, else the system's.

    The key and project default to RUNSD_API_KEY and RUNSD_PROJECT. Raises InvalidAddress.
    """
    environ = os.environ if environ is None else environ
    headers: dict[str, str] = {}
    if key := api_key or environ.get("RUNSD_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    if name := project or environ.get("RUNSD_PROJECT"):
        headers["Runsd-Project"] = name
    base_url, socket = _place(host or environ.get("RUNSD_HOST") or _local_socket(environ))
    return Address(base_url=base_url, socket=socket, headers=headers)


def _local_socket(environ: Mapping[str, str]) -> str:
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        own = Path(runtime) / "runsd" / "runsd.sock"
        if own.exists():
            return f"unix://{own}"
    return f"unix://{SYSTEM_SOCKET}"


def _place(host: str) -> tuple[str, str | None]:
    if host.startswith(("http://", "https://")):
        return host.rstrip("/"), None
    path = host.removeprefix("unix://")
    if not path.startswith("/"):
        raise InvalidAddress(
            f"cannot use the address {host!r}; write unix:///path/to.sock or http://host:port"
        )
    return "http://localhost", path
