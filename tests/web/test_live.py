"""What pages are told of: in many tabs, while nobody looks, and where connection or session are lost."""

import re
from urllib.parse import quote

from playwright.sync_api import Locator, Page, Route, expect
from runsd_sdk import RunHandle

from tests.daemon.harness import ENDED_S, GATE
from tests.web.conftest import OpenPage
from tests.web.site import Site, log_in
from tests.web.watch import Watch

LOST = "Connection lost: trying again."
HIDDEN = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def row(page: Page, run: RunHandle) -> Locator:
    return page.locator(f"tr#{run.id}")


def notice(page: Page) -> Locator:
    return page.locator("#notice")


def test_more_tabs_than_a_browser_has_connections_follow_and_those_that_nobody_sees_let_go(
    inside: Page, web: Site
) -> None:
    followed = web.daemon.submit("sh", "-c", f"echo begun; {GATE}echo gone on; {GATE.replace('gate', 'end')}")
    log = inside.context.new_page()
    for _ in range(4):  # who has left holds nothing
        log.goto(f"/p/default/runs/{followed.id}/logs")
        expect(log.locator(".log-row .text")).to_have_text(["begun"])
    expect(notice(inside)).to_be_empty()
    tabs = [inside, *(inside.context.new_page() for _ in range(7))]
    for tab in tabs:
        tab.goto("/p/default/runs")
    first, last = tabs[0], tabs[-1]
    expect(notice(first)).to_contain_text("More windows")  # in sight, but not what was last used
    expect(notice(last)).to_be_empty()
    run = web.daemon.submit("true")
    web.daemon.open_gate(followed.id)
    for tab in tabs:
        expect(row(tab, run)).to_contain_text("succeeded")
    expect(log.locator(".log-row .text")).to_have_text(["begun", "gone on"])
    first.evaluate("dispatchEvent(new Event('focus'))")
    expect(notice(first)).to_be_empty()

    for tab in (log, *tabs[:-1]):
        tab.evaluate(HIDDEN, True)
    run = web.daemon.submit("true")
    web.daemon.open_gate(followed.id, name="end")
    followed.wait(ENDED_S)
    expect(row(last, run)).to_contain_text("succeeded")
    assert not any(row(tab, run).count() for tab in tabs[:-1])
    for tab in tabs[:3]:
        tab.evaluate(HIDDEN, False)
        expect(row(tab, run)).to_contain_text("succeeded")
        expect(notice(tab)).to_be_empty()
    log.evaluate(HIDDEN, False)
    expect(log.locator("#run-head")).to_contain_text("succeeded")
    expect(log.locator("#log-state")).to_have_text("2 lines")


def test_a_lost_connection_is_said_and_what_changed_meanwhile_is_shown_when_it_is_back(
    fixed: Site, open_page: OpenPage, watch: Watch
) -> None:
    watch.expect("Failed to load resource|ERR_")
    runs = open_page(fixed)
    log_in(runs, fixed)
    ended = fixed.daemon.submit("sh", "-c", GATE)
    page = runs.context.new_page()
    page.goto(f"/p/default/runs/{ended.id}")
    for each in (row(runs, ended), page.locator("#run-head")):
        expect(each).to_contain_text("running")
    fixed.daemon.kill9()
    for each in (runs, page):
        expect(notice(each)).to_have_text(LOST)
    fixed.daemon.open_gate(ended.id)
    fixed.daemon.start()
    for shown, where in ((row(runs, ended), runs), (page.locator("#run-head"), page)):
        expect(shown).to_contain_text("succeeded")
        expect(notice(where)).to_be_empty()

    lasting = fixed.daemon.submit("sh", "-c", f"echo begun; {GATE}echo gone on")
    page.goto(f"/p/default/runs/{lasting.id}/logs")
    expect(page.locator(".log-row .text")).to_have_text(["begun"])
    runs.context.set_offline(True)
    expect(notice(runs)).to_have_text(LOST)
    expect(page.locator("#log-lost")).to_contain_text("The connection is lost")
    fixed.daemon.open_gate(lasting.id)
    lasting.wait(ENDED_S)
    runs.context.set_offline(False)
    expect(row(runs, lasting)).to_contain_text("succeeded")
    expect(page.locator("#run-head")).to_contain_text("succeeded")
    expect(page.locator("#log-state")).to_have_text("2 lines")
    for each in (runs, page):
        expect(notice(each)).to_be_empty()


def test_a_session_that_ends_leads_to_log_in_and_back_to_the_place(
    page: Page, web: Site, watch: Watch
) -> None:
    watch.expect("Failed to load resource")
    key = web.daemon.client.keys.create("for a while", access="read")
    place = "/p/default/runs?status=failed"
    log_in(page, Site(web.daemon, web.url, key.token))
    page.goto(place)
    expect(page.locator("a.chip")).to_have_count(1)
    web.daemon.client.keys.delete(key.id)
    page.wait_for_url(f"**/login?next={quote(place, safe='')}")
    page.get_by_label("API key").fill(web.key)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**{place}")


def test_what_was_asked_for_and_not_answered_is_done_once(inside: Page, web: Site, watch: Watch) -> None:
    watch.expect("ERR_FAILED")
    before = web.daemon.submit("true")
    before.wait(ENDED_S)

    def lose(route: Route) -> None:
        assert route.fetch().status == 201
        route.abort()

    inside.route("**/rerun", lose, times=1)
    inside.goto(f"/p/default/runs/{before.id}")
    again = inside.get_by_role("button", name="Run again", exact=True)
    again.click()
    expect(inside.locator("#toasts")).to_contain_text("runsd cannot be reached")
    made = web.daemon.client.list(limit=1).data[0]
    assert made.rerun_of == before.id
    again.click()
    inside.wait_for_url(f"**/runs/{made.id}")
    assert web.daemon.client.list(limit=1).data[0].id == made.id

    inside.goto(f"/p/default/runs/{before.id}")  # whoever has seen it and asks once more means one more
    again.click()
    inside.wait_for_url(re.compile(rf"/runs/(?!{made.id}|{before.id})run_\w+$"))
