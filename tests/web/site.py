"""A daemon as browsers reach it: its address over TCP, and a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.api.tcp import ANY_PORT, address
from tests.conftest import Serve
from tests.daemon.harness import Daemon


@dataclass(frozen=True, slots=True)
class Site:
    """A daemon that listens at ``url``, without a slash at its end, and an admin's key of ``default``."""

    daemon: Daemon
    url: str
    key: str


@contextmanager
def site(serve: Serve, **settings: str) -> Iterator[Site]:
    """Start a daemon that browsers reach."""
    with serve(**ANY_PORT, **settings) as daemon:
        key = daemon.client.keys.create("browser", access="admin").token
        yield Site(daemon, f"http://{address(daemon)}", key)
