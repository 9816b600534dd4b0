"""Usage, host, settings, audit, and what all pages have in common, in a browser."""

import re
from calendar import monthrange
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from runsd_sdk import Forbidden, GitSource, ProjectLimits, RunsClient

from tests.daemon.harness import ENDED_S, eventually
from tests.web.axe import axe
from tests.web.conftest import OpenPage, ServeWeb
from tests.web.site import Site, log_in
from tests.web.watch import Watch

MOST_BYTES = 200_000
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e'


def test_usage_says_what_the_api_says(inside: Page, web: Site) -> None:
    labels = {"team": HOSTILE}
    web.daemon.submit("true", labels=labels).wait(ENDED_S)
    usage = web.daemon.client.usage(group_by="label:team")
    inside.goto("/p/default/usage?by=label&label=team")
    expect(inside.get_by_role("heading", name=f"Usage in {usage.month}")).to_be_visible()
    expect(inside.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect(inside.locator("img, main script")).to_have_count(0)
    with inside.expect_download() as download:
        inside.get_by_role("link", name="CSV").click()
    assert download.value.path().read_text() == web.daemon.client.usage_csv(group_by="label:team")
    axe(inside)


@pytest.fixture
def billed(serve_web: ServeWeb) -> Iterator[Site]:
    """A daemon at which a second is free, and each more costs a dollar."""
    prices = {"FREE_VCPU_SECONDS": "1", "PRICE_PER_VCPU_SECOND_USD": "1"}
    with serve_web(**{f"RUNSD_BILLING__{name}": value for name, value in prices.items()}) as site:
        yield site


def test_a_bill_grows_while_one_looks_and_says_whose_it_is_and_of_how_much(
    billed: Site, open_page: OpenPage
) -> None:
    client = billed.daemon.client
    page = open_page(billed)
    log_in(page, billed)
    page.goto("/p/default/usage")
    expect(page.get_by_text("Nothing was used in")).to_be_visible()
    expect(page.get_by_text("the project may use the whole host")).to_be_visible()

    two = {"resources": {"requests": {"cpu": "2", "memory": "32Mi"}}}
    client.tasks.create("nightly", **billed.daemon.spec("sleep", "1", name="of-the-night", **two))
    run = client.tasks.trigger("nightly")
    run.wait(ENDED_S)
    (day, *_) = client.usage(group_by="day").groups or ()
    bill = client.usage(group_by="task")
    assert 2 < bill.vcpu_seconds < 1000  # as long as that it says them with three digits
    card(page, "To pay", f"${Decimal(bill.cost_usd):,.2f}")
    card(page, "Used", f"{bill.vcpu_seconds:.3g}vCPU-seconds of 1 runs")
    card(page, "Free tier", "1of 1 free")
    expect(page.get_by_role("row", name=re.compile("^nightly .* 1$"))).to_be_visible()
    bars = page.locator("#days rect")
    expect(bars).to_have_count(monthrange(*map(int, bill.month.split("-")))[1])
    expect(bars.filter(has_text=day.key)).to_contain_text(f"{day.vcpu_seconds:.3g} vCPU-seconds")
    assert float(bars.filter(has_text=day.key).get_attribute("height") or 0) > 0

    client.projects.set_limits("default", ProjectLimits(runs=3, monthly_usd="500"))
    page.get_by_label("Group by").select_option("run")
    page.get_by_role("button", name="Show").click()
    expect(
        page.get_by_role("row", name=re.compile(r"Budget of the month \$\d.* of \$500.00"))
    ).to_be_visible()
    expect(page.get_by_role("row", name="Live runs 0 of 3")).to_be_visible()
    expect(page.locator("#groups").get_by_role("link", name="of-the-night")).to_be_visible()
    axe(page)
    client.tasks.delete("nightly")
    page.goto("/p/default/runs")
    expect(page.locator(f"tr#{run.id}")).to_contain_text("deleted task")
    client.delete(run.id)
    page.goto("/p/default/usage?by=run")
    expect(page.locator("#groups")).to_contain_text(f"{run.id} (deleted)")
    page.goto("/p/default/usage?by=task")
    expect(page.locator("#groups")).to_contain_text("(deleted)")
    expect(page.locator("#groups a")).to_have_count(0)

    page.locator("a[rel=prev]").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text(f"Usage in {bill.month}")
    expect(page.get_by_text("Nothing was used in")).to_be_visible()
    expect(page.get_by_role("heading", name="Limits")).to_have_count(0)


def card(page: Page, name: str, said: str) -> None:
    """See to it that a card says so, whatever the space between its words."""
    found = page.locator("section.card").filter(has=page.get_by_role("heading", name=name, exact=True))
    expect(found).to_have_text(re.compile(r"\s*".join(map(re.escape, said.replace(" ", "")))))


def test_the_host_is_as_the_api_says(inside: Page, web: Site) -> None:
    assert eventually(lambda: web.daemon.client.queue().live == 0, within_s=ENDED_S)
    info, health = web.daemon.client.info(), web.daemon.client.health()
    inside.goto("/p/default/host")
    card(inside, "Cores", f"{info.free.cpu_milli / 1000:g} of {info.capacity.cpu_milli / 1000:g} free")
    memory = [f"{each.memory_bytes / 2**30:.1f} GiB" for each in (info.free, info.capacity)]
    card(inside, "Memory", " of ".join(memory) + " free")
    for disk in health.disks:
        expect(inside.locator("section.card").filter(has_text=disk.path)).to_contain_text("free")
    facts = inside.locator("main dl.facts")
    expect(facts).to_contain_text(f"Docker {health.engine.version} (API {health.engine.api_version})")
    expect(facts).to_contain_text(f"at most {info.sandboxes.most} ready for each kind of network")
    expect(facts).to_contain_text(f"{info.largest_run.cpu_milli / 1000:g} cores, ")
    expect(facts).to_contain_text(info.instance)


def test_host_follows_what_runs_and_says_who_is_next_however_many_wait(inside: Page, web: Site) -> None:
    inside.goto("/p/default/host")
    client = web.daemon.client
    memory = client.info().largest_run.memory_bytes
    big = {"resources": {"requests": {"cpu": "100m", "memory": memory}}, "stop_grace_seconds": 0}
    first = web.daemon.submit("sleep", "600", name="first-of-all", **big)
    running, waiting = inside.locator("#running tbody tr"), inside.locator("#waiting tbody tr")
    expect(running).to_have_text(re.compile("running.*first-of-all"))
    later = client.create_batch([web.daemon.spec("true", name=f"later-{n}", **big) for n in range(120)])
    urgent = web.daemon.submit("sleep", "600", name=HOSTILE, priority=5, **big)
    expect(inside.get_by_role("heading", name="Waiting (121)")).to_be_visible()
    expect(running).to_have_text(re.compile("running.*first-of-all"))
    expect(waiting).to_have_count(25)
    expect(waiting.nth(0)).to_contain_text(HOSTILE)
    expect(waiting.nth(1)).to_have_text(re.compile("^2.*later-0.*it waits for.*1 run is ahead of it"))
    expect(inside.locator("img, main script")).to_have_count(0)
    axe(inside)
    first.cancel()
    expect(running).to_contain_text(HOSTILE)
    for run in later:
        run.cancel()
    urgent.cancel()
    expect(inside.get_by_text("Nothing runs here")).to_be_visible()
    expect(inside.get_by_text("No run waits.")).to_be_visible()


def test_keys_are_made_shown_once_and_deleted(inside: Page, web: Site) -> None:
    inside.add_init_script("delete Navigator.prototype.clipboard")  # as over http from another host
    inside.goto("/p/default/settings")
    inside.get_by_label("Name", exact=True).fill(HOSTILE[:-1])
    inside.get_by_label("Access").select_option("read")
    axe(inside)
    inside.get_by_role("button", name="Create key").click()
    dialog = inside.get_by_role("dialog", name="Your new key")
    token = dialog.get_by_label("Key").input_value()
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    with RunsClient(web.url, api_key=token) as client:
        assert client.info().project == "default"
        with pytest.raises(Forbidden):
            client.secrets.set("MINE", "x")
    dialog.get_by_role("button", name="I have it").click()
    row = inside.get_by_role("row", name=re.compile("onerror.*read"))
    expect(row).to_be_visible()
    assert token not in inside.content()
    row.get_by_role("button", name="Delete").click()
    inside.get_by_role("button", name="Yes").click()
    expect(row).to_have_count(0)
    inside.goto("/p/default/audit?action=key")
    expect(inside.get_by_role("row", name=re.compile("key.delete")).first).to_be_visible()
    expect(inside.locator("nav a[aria-current]")).to_have_text("Settings")
    axe(inside)
    who = inside.get_by_label("Who")
    who.press("Control+v")
    expect(who).to_have_value(token)
    inside.goto("/p/default/audit?action=secret")
    expect(inside.get_by_role("row", name=re.compile("secret.set")).first).to_be_visible()
    inside.goto(f"/p/default/audit?who={quote(HOSTILE)}")
    expect(inside.get_by_text("No entries")).to_be_visible()
    expect(who).to_have_value(HOSTILE)
    expect(inside.locator("img, main script")).to_have_count(0)


def test_host_admins_make_projects_and_limit_them(page: Page, web: Site, watch: Watch) -> None:
    watch.expect("422")
    page.goto(web.daemon.client.login().path)
    page.wait_for_url("**/p/default/runs")
    page.goto("/p/default/settings")
    page.get_by_label("Name", exact=True).nth(1).fill("Team A")
    page.get_by_role("button", name="Create project").click()
    expect(page.locator(".field-error")).to_contain_text("pattern")
    page.get_by_label("Name", exact=True).nth(1).fill("team-a")
    page.get_by_role("button", name="Create project").click()
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
    page.get_by_label("Branch").fill("main")
    page.get_by_role("button", name="Set repository").click()
    expect(page.locator(".field-error")).to_contain_text("required")
    for url, ref in (("https://example.com/team/code.git", "main"), ("", "")):
        page.get_by_label("URL").fill(url)
        page.get_by_label("Branch").fill(ref)
        with page.expect_navigation():
            page.get_by_role("button", name="Set repository").click()
        expect(page.get_by_label("URL")).to_have_value(url)
        repository = web.daemon.client.projects.get("team-a").repository
        assert repository == (GitSource(url=url, ref=ref) if url else None)
    assert web.daemon.client.projects.get("team-a").limits.runs == 3
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
