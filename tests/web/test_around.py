"""Usage, host, settings, audit, and what all pages have in common, in a browser."""

import re

import pytest
from playwright.sync_api import Page, expect
from runsd_sdk import RunsClient

from tests.daemon.harness import ENDED_S
from tests.web.axe import axe
from tests.web.conftest import OpenPage
from tests.web.site import Site, log_in
from tests.web.watch import Watch

MOST_BYTES = 200_000
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e'


def test_usage_says_what_the_api_says(inside: Page, web: Site) -> None:
    labels = {"team": HOSTILE}
    run = web.daemon.submit("true", labels=labels).wait(ENDED_S)
    usage = web.daemon.client.usage(group_by="label:team")
    assert usage.groups is not None
    inside.goto("/p/default/usage?by=label&label=team")
    expect(inside.get_by_role("heading", name=f"Usage in {usage.month}")).to_be_visible()
    expect(inside.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect(inside.locator("img, main script")).to_have_count(0)
    with inside.expect_download() as download:
        inside.get_by_role("link", name="CSV").click()
    assert download.value.path().read_text() == web.daemon.client.usage_csv(group_by="label:team")
    assert run.id
    axe(inside)


def test_host_follows_what_runs_and_says_why_the_rest_waits(inside: Page, web: Site) -> None:
    inside.goto("/p/default/host")
    memory = web.daemon.client.info().largest_run.memory_bytes
    big = {"resources": {"requests": {"cpu": "100m", "memory": memory}}, "stop_grace_seconds": 0}
    first = web.daemon.submit("sleep", "600", name="first-of-two", **big)
    second = web.daemon.submit("sleep", "600", name="second-of-two", **big)
    running = inside.locator("table").first
    expect(running.get_by_role("row", name=re.compile("running.*first-of-two"))).to_be_visible()
    expect(inside.get_by_role("row", name=re.compile("second-of-two.*it waits for"))).to_be_visible()
    axe(inside)
    first.cancel()
    expect(running.get_by_role("row", name=re.compile("running.*second-of-two"))).to_be_visible()
    second.cancel()
    expect(inside.get_by_text("Nothing runs here")).to_be_visible()


def test_keys_are_made_shown_once_and_deleted(inside: Page, web: Site, open_page: OpenPage) -> None:
    inside.goto("/p/default/settings")
    inside.get_by_label("Name", exact=True).fill(HOSTILE[:-1])
    inside.get_by_label("May").select_option("read")
    axe(inside)
    inside.get_by_role("button", name="Make a key").click()
    dialog = inside.get_by_role("dialog", name="Your new key")
    token = dialog.locator("pre").inner_text()
    with RunsClient(web.url, api_key=token) as client:
        assert client.info().project == "default"
    dialog.get_by_role("button", name="Done").click()
    row = inside.get_by_role("row", name=re.compile("onerror.*read"))
    expect(row).to_be_visible()
    assert token not in inside.content()
    row.get_by_role("button", name="Delete").click()
    inside.get_by_role("button", name="Yes").click()
    expect(row).to_have_count(0)
    inside.goto("/p/default/audit?action=key")
    expect(inside.get_by_role("row", name=re.compile("key.delete")).first).to_be_visible()
    axe(inside)


def test_host_admins_make_projects_and_limit_them(page: Page, web: Site, watch: Watch) -> None:
    watch.expect("422")
    page.goto(web.daemon.client.login().path)
    page.wait_for_url("**/p/default/runs")
    page.goto("/p/default/settings")
    page.get_by_label("Name", exact=True).nth(1).fill("Team A")
    page.get_by_role("button", name="Make a project").click()
    expect(page.locator(".field-error")).to_contain_text("pattern")
    page.get_by_label("Name", exact=True).nth(1).fill("team-a")
    page.get_by_role("button", name="Make a project").click()
    page.wait_for_url("**/p/team-a/settings")
    page.get_by_label("Runs at once").fill("3")
    page.get_by_label("Cores at once").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field-error")).to_contain_text("'many'")
    page.get_by_label("Cores at once").fill("1500m")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Cores at once")).to_have_value("1500m")
    project = web.daemon.client.projects.get("team-a")
    assert (project.limits.runs, project.limits.cpu_milli, project.limits.memory) == (3, 1500, None)
    axe(page)
    row = page.get_by_role("row", name=re.compile("team-a"))
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes").click()
    page.wait_for_url("**/p/default/runs")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_way_in_and_out_by_keyboard(open_page: OpenPage, web: Site, scheme: str, watch: Watch) -> None:
    page = open_page(web, color_scheme=scheme)
    watch.expect("401")
    page.goto("/login")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type("rk_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is no key of this daemon, or it has expired.")
    axe(page)
    log_in(page, web)
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.wait_for_url("**/p/default/usage")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys.get_by_role("link", name="Settings")).to_be_visible()
    axe(page)
    page.keyboard.press("Enter")
    expect(keys).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/p/default/settings")
    page.get_by_label("You: browser").press("Enter")
    page.get_by_role("button", name="Log out").press("Enter")
    page.wait_for_url("**/login")
    assert not page.context.cookies()


def test_an_error_is_a_page_with_its_remedy(inside: Page, watch: Watch) -> None:
    watch.expect("422")
    inside.goto("/p/default/runs?limit=0")
    expect(inside.get_by_role("heading", name="This address says something wrong")).to_be_visible()
    expect(inside.get_by_text("there is no field 'limit' here")).to_have_count(1)
    axe(inside)
    inside.goto("/p/default/runs?from=0001-01-01T00:00:00%2B14:00")
    expect(inside.get_by_role("alert")).to_contain_text("between the years 1 and 9999")
    watch.expect("404")
    inside.goto("/p/default/runs/")
    expect(inside.get_by_text("cannot show '/p/default/runs/': there is no such page")).to_be_visible()
    inside.get_by_role("link", name="To the runs").click()
    inside.wait_for_url("**/p/default/runs")
    inside.goto("/p/elsewhere/runs")
    expect(inside.get_by_role("heading", name="Not Found")).to_be_visible()
    axe(inside)


def test_the_audit_is_searched_by_its_form_and_leafed_through(inside: Page, web: Site) -> None:
    for value in ("one", "two"):
        web.daemon.client.secrets.set("AUDITED", value)
    web.daemon.client.secrets.delete("AUDITED")
    inside.goto("/p/default/audit?limit=1")
    expect(inside.get_by_role("row", name=re.compile("secret.delete"))).to_be_visible()
    inside.get_by_role("link", name="Older").click()
    expect(inside.get_by_role("row", name=re.compile("secret.set.*AUDITED"))).to_have_count(2)
    inside.get_by_label("What").fill("secret.delete")
    inside.get_by_role("button", name="Show").click()
    expect(inside.get_by_role("row", name=re.compile("secret.delete")).first).to_be_visible()
    expect(inside.get_by_role("row", name=re.compile("secret.set"))).to_have_count(0)


@pytest.mark.parametrize("place", ["", "/logs", "/problems", "/results", "/metrics"])
def test_a_browser_loads_little_for_a_page_of_a_run(inside: Page, web: Site, place: str) -> None:
    run = web.daemon.submit("true")
    run.wait(ENDED_S)
    assert loaded(inside, f"/p/default/runs/{run.id}{place}") < MOST_BYTES


@pytest.mark.parametrize(
    "place", ["runs", "new", "tasks", "webhooks", "secrets", "usage", "host", "settings"]
)
def test_a_browser_loads_little_for_a_page(inside: Page, place: str) -> None:
    assert loaded(inside, f"/p/default/{place}") < MOST_BYTES


def loaded(page: Page, path: str) -> int:
    """Return how many bytes a page and all that it loads have, uncompressed and whether kept or not."""
    page.goto(path, wait_until="load")
    loaded: int = page.evaluate(
        """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
            .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""
    )
    assert loaded > 50_000  # htmx alone
    return loaded
