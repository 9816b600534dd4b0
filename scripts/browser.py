"""A browser to look at the web UI with: Debian's chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import packages
from playwright.sync_api import Browser, sync_playwright


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser without a window, and end it; no other event loop may run in this thread meanwhile."""
    program = shutil.which("chromium")
    if program is None:
        raise packages.CannotDo("cannot start a browser: chromium is missing; run `python3 scripts/tools.py`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, timeout=60_000)
        try:
            yield browser
        finally:
            browser.close()
