"""The watch over pages sees what it is there for, and a browser does reach a daemon."""

import re
from functools import partial

import pytest
from playwright.sync_api import Page, Route, expect

from tests.web.axe import axe
from tests.web.conftest import OpenPage
from tests.web.site import Site
from tests.web.watch import Watch

STRICT = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src *"}
COMPLAINTS = {
    "console: .*inline script.* Content Security Policy": "<script>document.title = 'inline'</script>",
    "console: .*inline style.* Content Security Policy": "<p style='color: red'>red</p>",
    "uncaught: .*thrown": "<script src='/thrown.js'></script>",
    "console: .*404": "<script src='/missing.js'></script>",
    "another origin was asked: http://elsewhere.invalid/": "<script src='/elsewhere.js'></script>",
}


def test_daemon_answers_a_browser_that_has_its_key(open_page: OpenPage, web: Site) -> None:
    page = open_page(web, extra_http_headers={"Authorization": f"Bearer {web.key}"})
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))  # JSON links to no icon
    answer = page.goto("/v1/health")
    assert answer is not None
    assert answer.ok
    expect(page.locator("body")).to_contain_text('"status":"ok"')


def test_each_complaint_is_seen(page: Page, watch: Watch) -> None:
    served(page, "".join(COMPLAINTS.values()))
    page.goto("/page")
    page.wait_for_load_state("networkidle")
    seen = watch.verdict()
    assert [complaint for complaint in COMPLAINTS if not re.search(complaint, seen)] == []
    for complaint in (*COMPLAINTS, "uncaught: .*fetch", "console: .*ERR_FAILED"):
        watch.expect(complaint)


def test_what_is_expected_must_come(watch: Watch) -> None:
    watch.expect("404")
    assert watch.verdict() == "expected, but it did not come: 404"


def test_axe_tells_what_it_finds_below_a_strict_policy(page: Page) -> None:
    served(page, "<main><h1>Runs</h1><input type='text'></main>")
    page.goto("/page")
    with pytest.raises(AssertionError, match=r"label \(critical\): .*\n  input: <input type=\"text\">"):
        axe(page)
    page.locator("input").evaluate("input => input.setAttribute('aria-label', 'Filter')")
    axe(page)


def served(page: Page, body: str) -> None:
    """Answer a page's requests in place of the daemon."""
    html = f"<!doctype html><html lang='en'><head><title>Page</title></head><body>{body}</body></html>"
    scripts = {"thrown": "throw new Error('thrown')", "elsewhere": "fetch('http://elsewhere.invalid/')"}
    page.route("**/*", lambda route: route.fulfill(status=404, body=""))
    page.route("**/page", lambda route: route.fulfill(body=html, content_type="text/html", headers=STRICT))
    for name, text in scripts.items():
        page.route(f"**/{name}.js", partial(script, text))
    page.route("http://elsewhere.invalid/**", lambda route: route.abort())


def script(text: str, route: Route) -> None:
    route.fulfill(body=text, content_type="text/javascript")
