"""Where a webhook may be sent: to addresses of the public network, and to those that an admin has allowed.

Whoever may register a webhook makes the daemon send requests from where it is. Without this rule they would
reach what trusts this host or its network: databases, the cloud's metadata, other daemons.
"""

import ipaddress
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# RFC 6052, RFC 8215: the last 32 bits are an IPv4 address.
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
# Public by its number, and yet the metadata of every machine on Azure.
_METADATA: Final = frozenset({IPv4Address("168.63.129.16")})
# IANA's special-purpose registries, where older Pythons know less: assignments of protocols (192.0.0.192 is a
# cloud's metadata), relays of 6to4, segment routing, documentation.
_SPECIAL: Final[tuple[Network, ...]] = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001::/23"),
    IPv6Network("5f00::/16"),
    IPv6Network("3fff::/20"),
)
_ANY_PORT = 9


def refusal(text: str, allowed: Sequence[Network]) -> str | None:
    """Say what is wrong with an address that no webhook may reach; None for one that it may."""
    address = parsed(text)
    if address is None:
        return "no address"
    real = _stands_for(address)
    if any(one in network for network in allowed for one in (address, real)):
        return None
    return _why_not(real) or ("an address of this host" if _is_of_this_host(address) else None)


def parsed(text: str) -> Address | None:
    """Return the address that a text is, if it is one."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _stands_for(address: Address) -> Address:
    """Return the IPv4 address that is really reached by an IPv6 address that holds one."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _why_not(address: Address) -> str | None:
    if address.is_loopback or address.is_unspecified:
        return "an address of this host"
    if address.is_link_local:
        return "a link-local address"
    if address in _METADATA:
        return "an address of the cloud's metadata"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, IPv6Address) and (address.sixtofour or address.teredo):
        return "the address of a tunnel"
    special = any(address in network for network in _SPECIAL)
    if special or not address.is_global or address.is_reserved:
        return "a private address"
    return None


def _is_of_this_host(address: Address) -> bool:
    """Say whether this host has a public address itself: behind it is all that listens here.

    What goes to an address of one's own leaves from that same address; nothing is sent to find out.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
            probe.connect((str(address), _ANY_PORT))
            source = parsed(probe.getsockname()[0])
    except OSError:  # no way there: the attempt will say it better
        return False
    return source == address
