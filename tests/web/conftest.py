"""A browser and a daemon for all tests of the web UI, and a page that nothing went wrong in.

Playwright's event loop runs in the main thread as long as the browser does: all tests here are ordinary
functions, and the browser ends with the last of them, before tests elsewhere need a loop of their own.
"""

import asyncio
import inspect
import re
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

import assets
import browser as browsers
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Serve
from tests.web.site import Site, log_in, site
from tests.web.watch import Watch

PATIENCE_MS = 20_000
FAILED = assets.ROOT / ".build" / "browser" / "failed"

ServeWeb = Callable[..., AbstractContextManager[Site]]
OpenPage = Callable[..., Page]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Say of tests that look at pages what they need."""
    if "browser" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.needs("chromium"))
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            raise pytest.UsageError(f"{item.nodeid} cannot have both a browser and an event loop")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of the page that a test failed with."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None:
        picture = FAILED / f"{re.sub('[^a-z0-9]+', '-', item.nodeid.lower()).strip('-')}.png"
        try:
            page.screenshot(path=picture, full_page=True)
            report.sections.append(("page", f"{page.url} is in {picture}"))
        except Exception as error:  # whatever it is, the test failed of something else
            report.sections.append(("page", f"there is no picture of it: {error}"))
    return report


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The one browser; a test has contexts of its own in it, through ``page`` or ``open_page``."""
    expect.set_options(timeout=PATIENCE_MS)
    with browsers.launched() as browser:
        yield browser
    assert asyncio._get_running_loop() is None, "Playwright's event loop still runs"


@pytest.fixture(scope="session")
def serve_web(serve: Serve) -> ServeWeb:
    """Start daemons that browsers reach, for tests that end them or need settings of their own."""
    return partial(site, serve)


@pytest.fixture(scope="package")
def web(serve_web: ServeWeb) -> Iterator[Site]:
    """The daemon that tests share."""
    with serve_web() as site:
        yield site


@pytest.fixture
def fixed(serve: Serve) -> Iterator[Site]:
    """A daemon that comes back at the same address."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{held.getsockname()[1]}"
    with serve(RUNSD_TCP__LISTEN=where) as daemon:
        yield Site(daemon, f"http://{where}", daemon.client.keys.create("browser", access="admin").token)


@pytest.fixture
def watch() -> Watch:
    """What pages complain of: ``watch.expect("404")`` lets it be, and demands it."""
    return Watch()


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[OpenPage]:
    """Open pages at a daemon, each in a browser of its own: ``open_page(site, locale="de-DE")``."""
    with ExitStack() as stack:

        def open_(site: Site, **options: Any) -> Page:
            context = browser.new_context(base_url=site.url, **{"locale": "en-GB", **options})
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            watch.over(context, site.url)
            return context.new_page()

        yield open_
    verdict = watch.verdict()
    assert not verdict, verdict


@pytest.fixture
def page(open_page: OpenPage, web: Site) -> Page:
    """A page of the shared daemon that nobody has logged in to."""
    return open_page(web)


@pytest.fixture
def inside(page: Page, web: Site) -> Page:
    """The same, with an admin of ``default`` logged in: the list of runs."""
    log_in(page, web)
    return page
