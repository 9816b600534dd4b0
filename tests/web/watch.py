"""What a browser complains of while a test looks at pages: errors, what a CSP refuses, requests elsewhere."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage

LOCAL = ("about", "blob", "data")
"""Schemes of addresses that lead nowhere."""


class Watch:
    """Collects complaints; each must be expected, and each that is expected must come."""

    def __init__(self) -> None:
        self._complaints: list[str] = []
        self._expected: list[str] = []

    def over(self, context: BrowserContext, origin: str) -> None:
        """Look at all pages of a context, which may ask nobody but this origin."""
        context.on("weberror", lambda error: self._complaints.append(f"uncaught: {error.error}"))
        context.on("console", self._said)
        context.on("request", lambda request: self._asked(request.url, origin))

    def expect(self, pattern: str) -> None:
        """Let complaints be that this pattern is found in; at least one must have come by the test's end."""
        self._expected.append(pattern)

    def verdict(self) -> str:
        """Say what came and was not expected, and what was expected and did not come."""
        wrong = [said for said in self._complaints if not any(re.search(at, said) for at in self._expected)]
        silent = [at for at in self._expected if not any(re.search(at, said) for said in self._complaints)]
        return "\n".join([*wrong, *(f"expected, but it did not come: {at}" for at in silent)])

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complaints.append(f"console: {message.text} [{message.location['url']}]")

    def _asked(self, url: str, origin: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL and f"{parts.scheme}://{parts.netloc}" != origin:
            self._complaints.append(f"another origin was asked: {url}")
