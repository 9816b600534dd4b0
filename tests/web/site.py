"""A daemon as browsers reach it: its address over TCP, and a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page

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


def log_in(page: Page, site: Site) -> None:
    """Log in with the key, as a person does; the page is then the list of runs."""
    page.goto("/login")
    page.get_by_label("API key").fill(site.key)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/p/default/runs")
