"""To which names the daemon answers over TCP. Pure.

A page of the Web can give its own name the address of this host, and then counts as from here for a browser
(DNS rebinding). It cannot choose what the browser sends as Host: that is the page's name, which nobody has
allowed. An address as Host is nobody's name.
"""

from collections.abc import Collection
from ipaddress import ip_address

from runsd.errors import Misdirected


def check(host: str | None, allowed: Collection[str]) -> None:
    """Raise Misdirected unless a Host header is an address, ``localhost``, or one of the allowed names."""
    name = _name(host or "")
    if name == "localhost" or name in allowed or _is_address(name):
        return
    raise Misdirected(
        f"cannot answer to the name {name[:80]!r}; use an address of this host, or add the name to tcp.hosts"
    )


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
