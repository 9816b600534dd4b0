"""The list of runs: live, filtered by its address, acted on in numbers, and quick on a long history."""

import asyncio
import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from html import unescape
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import docker
import history
import pytest
from history import History
from playwright.sync_api import Page, Route, expect
from runsd_sdk import RunsClient
from runsd_sdk.wire import format_instant

from runsd.ids import earliest
from tests.api.tcp import ANY_PORT, address
from tests.daemon.harness import Daemon
from tests.web.axe import axe
from tests.web.conftest import OpenPage
from tests.web.site import Site
from tests.web.watch import Watch

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> javascript:alert(3) \u202egnp"
SMALL = {"requests": {"cpu": "0.1", "memory": "16Mi"}}
RUNS = int(os.environ.get("HISTORY_RUNS", "100000"))
PAGES = 20
SLOW_S = 1.0
SEARCHED_MS = 120_000
SECOND = timedelta(seconds=1)
# Before it there are a few hundred runs of such a history.
OLDEST = earliest("run", history.END - 364 * history.DAY)


def spec(site: Site, command: str, **fields: Any) -> dict[str, Any]:
    """Return a small run of a shell's command."""
    image = site.daemon.image
    return {"image": image, "command": ["sh", "-c", command], "resources": SMALL, **fields}


def log_in(page: Page, site: Site) -> None:
    """Come to the list of runs with a key."""
    page.goto("/login?next=/p/default/runs")
    page.get_by_label("API key").fill(site.key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(page.locator("[data-utc]")).to_have_count(0)  # the scripts have come this far


def row(page: Page, run_id: str) -> Any:
    return page.locator(f"tr#{run_id}")


@pytest.fixture
def client(web: Site) -> RunsClient:
    return web.daemon.client


def test_rows_come_change_and_end_while_one_looks_and_stay_where_they_are_under_a_selection(
    page: Page, web: Site, client: RunsClient
) -> None:
    log_in(page, web)
    first = client.create(**spec(web, "until test -e /stop; do sleep 0.05; done", name="watched"))
    expect(row(page, first.id)).to_contain_text("running")
    top = row(page, first.id).bounding_box()
    row(page, first.id).get_by_role("checkbox").check()
    others = [client.create(**spec(web, "true", name=f"after-{n}")).id for n in range(3)]
    expect(page.locator("#fresh")).to_have_text("3 new above: show")
    assert row(page, first.id).bounding_box() == top
    client.cancel(first.id)
    expect(row(page, first.id)).to_contain_text("cancelled")
    expect(row(page, first.id).get_by_role("checkbox")).to_be_checked()
    page.locator("#fresh").click()
    for other in others:
        expect(row(page, other)).to_contain_text("succeeded")
    expect(row(page, first.id).get_by_role("checkbox")).to_be_checked()
    page.goto("/p/default/runs?status=pending&status=running")
    going = client.create(**spec(web, "sleep 600", name="going", stop_grace_seconds=0))
    row(page, going.id).get_by_role("checkbox").check()
    client.cancel(going.id)
    expect(page.locator("#fresh")).to_have_text("The list has changed: show")
    page.locator("#fresh").click()
    expect(row(page, going.id)).to_have_count(0)
    page.goto(f"/p/default/runs?cursor={others[0]}")
    expect(page.locator("#above")).to_have_text("To the newest")
    client.create(**spec(web, "true", name="above"))
    expect(page.locator("#above")).to_have_text("There are new runs above: to the newest")


def test_filters_are_in_the_address_and_every_hostile_text_is_only_text(
    page: Page, web: Site, client: RunsClient
) -> None:
    hostile = client.create(**spec(web, f": {HOSTILE!r}", name=HOSTILE, labels={"evil": HOSTILE}))
    plain = client.create(**spec(web, "exit 3", name="plain", labels={"team": "a&b=c", "fold": "1"}))
    other = client.create(**spec(web, "true", name="plain", labels={"team": "a&b=c"}))
    for handle in (hostile, plain, other):
        handle.wait()
    log_in(page, web)
    expect(row(page, hostile.id)).to_contain_text("<script>alert(1)")
    row(page, hostile.id).get_by_role("link", name="evil=").click()
    expect(page.locator("a.chip")).to_contain_text("<img src=x")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    axe(page)
    page.get_by_role("link", name="Remove the filter label").click()
    expect(row(page, plain.id)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("PLAI")  # applied by itself
    expect(row(page, hostile.id)).to_have_count(0)
    page.locator("#statuses").get_by_text("failed").click()
    expect(row(page, other.id)).to_have_count(0)
    expect(row(page, plain.id)).to_contain_text("exited with code 3")
    expect(page).to_have_url(re.compile(r"/runs\?text=PLAI&status=failed$"))
    page.reload()
    expect(page.locator("a.chip")).to_have_count(2)
    page.goto("/p/default/runs?label=nonsense&text=&status=")
    expect(page.get_by_role("alert")).to_contain_text("write key=value")


def test_each_filter_alone_leaves_out_what_is_not_like_it(page: Page, web: Site, client: RunsClient) -> None:
    task = client.tasks.create("sifted", **spec(web, "true", name="sifted", labels={"n": "a&b=c"}))
    of_task, labelled = (
        client.tasks.trigger(task.id),
        client.create(**spec(web, "true", name="sifted", labels={"n": "a&b=c"})),
    )
    named = client.create(**spec(web, "true", name="sifted"))
    runs = (of_task, labelled, named)

    def left_by(field: str, value: str) -> list[bool]:
        page.goto("/p/default/runs?text=sifted")
        expect(page.locator("tr[data-row]")).to_have_count(3)
        page.get_by_text("Labels, task, time").click()
        page.get_by_label(field, exact=True).fill(value)
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("a.chip")).to_have_count(2)
        return [row(page, run.id).count() == 1 for run in runs]

    log_in(page, web)
    assert left_by("Label", "n=a&b=c") == [True, True, False]
    assert left_by("Task, name or id", "sifted") == [True, False, False]
    assert left_by("Name, whole", "sifte") == [False, False, False]
    assert left_by("From", "2001-02-03T04:05:06") == left_by("To", "2999-12-31T23:59:59") == [True] * 3
    assert left_by("From", "2999-12-31T23:59:59") == left_by("To", "2001-02-03T04:05:06") == [False] * 3
    expect(page.locator("#list")).to_contain_text("No run is like that")
    page.goto("/p/default/runs?text=sifted")
    page.get_by_text("Labels, task, time").click()
    page.get_by_label("Task, name or id").focus()
    expect(page.locator("#known-tasks option[value=sifted]")).to_have_count(1)
    page.get_by_label("Label", exact=True).focus()
    expect(page.locator("#known-labels option")).to_have_count(1)
    client.tasks.delete(task.id)


def test_times_are_in_the_zone_of_their_reader_and_exact_on_hover(
    open_page: OpenPage, web: Site, client: RunsClient
) -> None:
    page, there = open_page(web, timezone_id="Asia/Kolkata"), ZoneInfo("Asia/Kolkata")
    run = client.create(**spec(web, "true", name="zoned")).run
    log_in(page, web)
    made = row(page, run.id).locator("td.made time")
    expect(made).to_contain_text(f"{run.created_at.astimezone(there):%H:%M:%S}")
    expect(made).to_have_attribute("title", format_instant(run.created_at))
    begins = run.created_at.replace(microsecond=0)
    for field, at, stays in (
        ("From", begins, True),
        ("From", begins + SECOND, False),
        ("To", begins + SECOND, True),
        ("To", begins, False),
    ):
        page.goto("/p/default/runs?text=zoned")
        page.get_by_text("Labels, task, time").click()
        page.get_by_label(field, exact=True).fill(f"{at.astimezone(there):%Y-%m-%dT%H:%M:%S}")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("a.chip")).to_have_count(2)
        expect(row(page, run.id)).to_have_count(int(stays))
        assert parse_qs(urlsplit(page.url).query)[field.lower()] == [f"{at:%Y-%m-%dT%H:%M:%SZ}"]
    for come_again in (page.reload, lambda: (page.goto("/p/default/tasks"), page.go_back())):
        come_again()
        said = page.get_by_label("To", exact=True)
        expect(said).to_have_value(f"{begins.astimezone(there):%Y-%m-%dT%H:%M:%S}")
    expect(page.locator("a.chip time")).to_contain_text(f"{begins.astimezone(there):%H:%M:%S}")


def test_a_batch_is_one_row_that_opens_and_its_failed_runs_are_run_again_together(
    page: Page, web: Site, client: RunsClient
) -> None:
    fail = "case $N in 1|3) exit 1;; esac"
    made = client.create_batch([spec(web, fail, name=f"sweep-{n}", env={"N": str(n)}) for n in range(6)])
    for handle in made:
        handle.wait()
    log_in(page, web)
    batch = page.locator(f"tr#batch-{made[0].id}")
    expect(batch).to_contain_text("6 of 6 done")
    expect(batch).to_contain_text("2 failed")
    cost = sum(Decimal(run.usage.cost_usd) for run in client.list(batch=made[0].id).data)
    assert Decimal(client.batch(made[0].id).cost_usd) == cost > 0
    expect(batch.locator("td.cost")).to_contain_text("$")
    assert row(page, made[0].id).count() == 0
    batch.get_by_role("link", name="Show the runs").click()
    expect(row(page, made[0].id)).to_contain_text("succeeded")
    order = page.locator("tr.member").evaluate_all("rows => rows.map(row => row.dataset.status)")
    assert order == ["failed"] * 2 + ["succeeded"] * 4
    batch.get_by_role("link", name="sweep \u00d7 6").click()
    expect(page.get_by_role("heading", name="sweep: 6 runs submitted together")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Run the 2 failed again").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#told")).to_contain_text("2 started again")
    again = client.list(limit=2).data
    assert {run.rerun_of for run in again} == {made[1].id, made[3].id}
    assert client.batch(again[0].id).size == 2
    expect(page.get_by_role("link", name="show them")).to_have_attribute("href", re.compile(again[1].id))
    # The run that the address names is deleted with others, and the page goes on with those that are left.
    for each in (0, 5):
        row(page, made[each].id).get_by_role("checkbox").check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    expect(page.locator("#confirm-text")).to_contain_text("Delete 2 runs, with output and results?")
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("heading", name="sweep: 4 runs submitted together")).to_be_visible()
    assert {run.id for run in client.list(batch=made[1].id).data} == {each.id for each in made[1:5]}


def test_what_is_selected_by_keys_and_boxes_is_cancelled_and_told_what_was_refused(
    page: Page, web: Site, client: RunsClient, watch: Watch
) -> None:
    made = client.create_batch([spec(web, "sleep 600", name="long", stop_grace_seconds=0)] * 3)
    single = client.create(**spec(web, "sleep 600", name="single", stop_grace_seconds=0))
    gone = client.create(**spec(web, "true", name="gone"))
    gone.wait()
    log_in(page, web)
    page.keyboard.press("j")
    expect(page.locator(f"#open-{gone.id}")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.locator(f"#pick-batch-{made[0].id}").check()
    expect(page.locator("#picked")).to_have_text("5 selected")
    page.locator(f"#batch-{made[0].id}").get_by_role("link", name="Show the runs").click()
    row(page, made[1].id).get_by_role("checkbox").check()
    expect(page.locator("#picked")).to_have_text("5 selected")  # it is one of the batch
    page.get_by_label("Part of a name").fill("single")
    expect(page.locator("#picked")).to_have_text("5 selected, 4 of them not on this page")
    page.get_by_label("Part of a name").fill("")
    expect(page.locator("#picked")).to_have_text("5 selected")
    page.locator("#bulk").get_by_role("button", name="Cancel").click()
    expect(page.locator("#confirm-text")).to_have_text("Cancel 4 runs?")  # gone is over
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#told")).to_contain_text("4 cancelled")
    for handle in (single, *made):
        assert handle.wait().status == "cancelled"
    expect(page.locator("#bulk")).to_be_hidden()
    row(page, gone.id).get_by_role("checkbox").check()
    client.delete(gone.id)
    watch.expect("404")
    row(page, single.id).get_by_role("checkbox").check()
    page.locator("#bulk").get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text(f"there is no run '{gone.id}'")).to_be_visible()  # so none was run again
    expect(page.locator("#picked")).to_have_text("2 selected")
    page.reload()
    row(page, single.id).get_by_role("checkbox").check()
    page.locator("#bulk").get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#told")).to_have_text("1 started again: show it")
    again = client.list(name="single", limit=1).data[0]
    expect(row(page, again.id)).to_be_visible()  # before something is selected: from then on no row moves
    row(page, single.id).get_by_role("checkbox").check()
    row(page, again.id).get_by_role("checkbox").check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    expect(page.locator("#confirm-text")).to_contain_text("Delete 1 run,")  # the other one goes on
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#told")).to_have_text("1 deleted")
    expect(row(page, single.id)).to_have_count(0)
    client.cancel(again.id)


def test_a_batch_is_found_by_each_of_its_runs_and_when_all_are_deleted_that_is_said_once(
    page: Page, web: Site, client: RunsClient, watch: Watch
) -> None:
    made = client.create_batch([spec(web, "true", name="short")] * 3)
    for handle in made:
        handle.wait()
    log_in(page, web)
    page.goto(f"/p/default/batches/{made[0].id}")
    expect(page.get_by_role("heading", name="3 runs submitted together")).to_be_visible()
    client.delete(made[0].id)
    expect(page.get_by_role("heading", name="2 runs submitted together")).to_be_visible()
    page.goto(f"/p/default/runs?batch={made[0].id}")
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.goto(f"/p/default/batches/{made[0].id}")
    expect(page.get_by_role("heading", name="2 runs submitted together")).to_be_visible()
    watch.expect("404")
    for handle in made[1:]:
        client.delete(handle.id)
    expect(page.get_by_role("alert")).to_have_text(re.compile("no longer there"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    other = page.context.new_page()
    other.goto("/p/default/runs")
    later = client.create(**spec(web, "true"))
    expect(row(other, later.id)).to_contain_text("succeeded")
    assert asked == []
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.locator("#toasts p")).to_have_count(0)


@pytest.fixture(scope="module")
def grown(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    engine_host: str,
    busybox_image: str,
    instances: set[str],
) -> Iterator[Site]:
    """A daemon on a long history, in which a thousand runs not far from the newest came together."""
    directory: Path = tmp_path_factory.mktemp("history")
    (directory / "data").mkdir()
    database = directory / "data" / "runsd.db"
    with ThreadPoolExecutor(1) as other:  # Playwright's loop runs in this thread
        other.submit(asyncio.run, history.make(database, History(RUNS))).result()
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(
            "update runs set created_us = 1"
            " where id in (select id from runs order by id desc limit 1000 offset 60)"
        )
    kept = {
        f"RUNSD_RETENTION__{what}": "0" for what in ("RUNS_DAYS", "EVENTS_DAYS", "MAX_RUNS", "MAX_EVENTS")
    }
    settings = {**kept, **ANY_PORT}
    with Daemon(directory, docker_client, engine_host, image=busybox_image, **settings) as daemon:
        instances.add(daemon.instance)
        key = daemon.client.keys.create("browser").token
        yield Site(daemon, f"http://{address(daemon)}", key)


def test_a_long_history_is_leafed_through_and_no_page_takes_much_longer_than_the_first(
    grown: Site, open_page: OpenPage
) -> None:
    page = open_page(grown)
    log_in(page, grown)
    expect(page.locator("tr[data-row]")).to_have_count(50)
    seen = shown_on(page)
    for _ in range(PAGES):
        before = page.url
        page.get_by_role("link", name="Older").click()
        expect(page).not_to_have_url(before)
        expect(page.locator("tr[data-row]")).to_have_count(50)
        seen += shown_on(page)
    newest = [run.id for run in islice(grown.daemon.client.iterate(), len(seen) + 1000)]
    batch = grown.daemon.client.batch(newest[60])
    assert (batch.size, batch.last_id) == (1000, newest[60])
    assert seen == [*newest[:60], f"batch-{batch.id}", *newest[1060:]][: len(seen)]
    page.get_by_role("link", name="Newest", exact=True).click()
    expect(page).to_have_url(re.compile("/runs$"))

    # Select two on different pages, and delete them together.
    two = (newest[30], newest[61 + 999])
    row(page, two[0]).get_by_role("checkbox").check()
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#picked")).to_have_text("1 selected, 1 of them not on this page")
    row(page, two[1]).get_by_role("checkbox").check()
    expect(page.locator("#picked")).to_have_text("2 selected, 1 of them not on this page")
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    expect(page.locator("#confirm-text")).to_contain_text("Delete 2 runs,")
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#told")).to_have_text("2 deleted")
    expect(row(page, two[1])).to_have_count(0)

    ids = [run.id for run in grown.daemon.client.list(limit=1000, cursor=OLDEST).data]
    shown = leafed(grown, ids[0])
    assert shown[: len(ids) - 1] == ids[1:]
    assert len(ids) == 1000 or len(shown) == len(ids) - 1
    places = {"first": "", "middle": "?cursor=run_01jz", "last": f"?cursor={ids[-60]}"}
    took = {name: min(seconds(grown, query) for _ in range(5)) for name, query in places.items()}
    said = ", ".join(f"{name} page {1000 * each:.1f} ms" for name, each in took.items())
    sys.stdout.write(f"{RUNS:,} runs: {said}\n")
    assert max(took.values()) < min(max(5 * took["first"], 0.1), SLOW_S), took


def test_a_search_goes_on_by_itself_until_it_is_told_to_stop(grown: Site, open_page: OpenPage) -> None:
    page = open_page(grown)
    log_in(page, grown)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/runs?*cursor=*", hold)
    page.get_by_label("Part of a name").fill("nobody has this")
    expect(page.locator("#searching")).to_be_visible()
    expect(page.locator("#list")).to_contain_text("None found yet")
    expect(page.locator("#list")).to_contain_text("Looked at the runs back to")
    axe(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#searching")).to_be_hidden()
    page.unroute("**/runs?*cursor=*")
    assert len(held) == 1
    page.get_by_role("link", name="Look further back").click()
    expect(page.locator("#list")).to_contain_text("No run is like that", timeout=SEARCHED_MS)
    expect(page.locator("#searching")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/runs\?text=nobody"))
    old = grown.daemon.client.list(limit=20, cursor=OLDEST).data[-1].id
    page.get_by_label("Part of a name").fill(old.upper())
    expect(row(page, old)).to_be_visible(timeout=SEARCHED_MS)
    expect(page.get_by_role("link", name="Look further back")).to_have_count(0, timeout=SEARCHED_MS)
    assert shown_on(page) == [old]


def shown_on(page: Page) -> list[str]:
    """Return the rows of a page, by their ids."""
    ids: list[str] = page.locator("tr[data-row]").evaluate_all("rows => rows.map(row => row.id)")
    return ids


def leafed(site: Site, cursor: str) -> list[str]:
    """Return the runs that pages show when one goes on to the end."""
    path, seen = f"/p/default/runs?cursor={cursor}", []
    while path:
        text = site.daemon.http.get(path).text
        seen += re.findall(r'<tr id="(run_\w+)"', text)
        found = re.search(r'rel="next" href="([^"]+)"', text)
        path = unescape(found[1]) if found else ""
    return seen


def seconds(site: Site, query: str) -> float:
    began = time.perf_counter()
    assert site.daemon.http.get(f"/p/default/runs{query}").status_code == 200
    return time.perf_counter() - began
