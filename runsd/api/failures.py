"""How often each address may be wrong about who it is, before it is told nothing but to wait. Pure."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

MOST: Final = 20
"""So many failures at once, and one more every ``PAUSE_S``."""

PAUSE_S: Final = 3.0
_MOST_ADDRESSES = 10_000
_NETWORK_BITS: Final = 64  # RFC 6177: one customer has at least so many addresses to himself


class Failures:
    """A leaky bucket for each address; an IPv6 address counts as its whole network."""

    def __init__(self) -> None:
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def add(self, address: str, now_s: float) -> float:
        """Count a failure; return after how many seconds the next is heard, 0 for at once."""
        whose = network_of(address)
        empty_at = max(now_s, self._empty_at.pop(whose, 0.0)) + PAUSE_S
        over_s = empty_at - now_s - MOST * PAUSE_S
        self._empty_at[whose] = min(empty_at, now_s + (MOST + 1) * PAUSE_S)
        if len(self._empty_at) > _MOST_ADDRESSES:
            self._empty_at.popitem(last=False)
        return max(0.0, over_s)


def network_of(address: str) -> str:
    """Return what stands for all addresses of one customer."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or int(ip) >> (128 - _NETWORK_BITS))
