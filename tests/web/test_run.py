"""A run's pages: followed from its queue to its end, changed by hand, and safe whatever it says."""

import json
import re
from datetime import timedelta, timezone
from pathlib import Path

import images
import pytest
from playwright.sync_api import Page, expect
from runsd_sdk import Run, Status

from tests.daemon.harness import GATE
from tests.daemon.test_telemetry import SENDER
from tests.web.axe import axe
from tests.web.conftest import OpenPage, ServeWeb, log_in
from tests.web.site import Site
from tests.web.watch import Watch

ALL = {"requests": {"cpu": "1", "memory": "32Mi"}}
TABS = ("", "/problems", "/results", "/metrics")
SCRIPT = "<script>document.title = 'taken over'</script>"
IMAGE = '"><img src=x onerror="document.title = \'taken over\'">'
LINK = "javascript:document.title='taken over'"
TURNED = "\u202egpj.exe\u2066"
LONG = "w" * 9000

PROGRAM = f"""
import logging, sys, threading

def breaks():
    raise RuntimeError({SCRIPT + IMAGE + LONG!r})

def hostile(name):
    for _ in range(3):
        try:
            int({IMAGE!r})
        except ValueError:
            logging.exception({SCRIPT!r})
    thread = threading.Thread(target=breaks)
    thread.start()
    thread.join()
    print({SCRIPT!r}, {LONG!r})
    print({IMAGE!r}, {TURNED!r}, file=sys.stderr)
    deep = "bottom"
    for _ in range(100):
        deep = [deep]
    turned, long, wide = {TURNED!r}, {LONG!r}, list(range(1000))
    return {{name: {IMAGE!r}, "turned": turned, "long": long, "deep": deep, "wide": wide}}
"""


def at(run: Run, tab: str = "") -> str:
    return f"/p/default/runs/{run.id}{tab}"


def test_run_is_followed_from_the_queue_to_its_end(open_page: OpenPage, serve_web: ServeWeb) -> None:
    price = {"RUNSD_BILLING__PRICE_PER_VCPU_SECOND_USD": "0.01"}
    with serve_web(RUNSD_CAPACITY__CPU="1", RUNSD_CAPACITY__OVERCOMMIT="1", **price) as site:
        daemon, page = site.daemon, open_page(site, timezone_id="Asia/Tokyo")
        log_in(page, site)
        ahead = daemon.submit("sleep", "600", resources=ALL, stop_grace_seconds=0)
        daemon.until(ahead.id, "run.running")
        handle = daemon.submit("sh", "-c", GATE + "exit 3", name="followed", resources=ALL)
        run = handle.refresh()
        page.goto(at(run))
        page.evaluate("window.same = true")
        status = page.locator("#run-head .badge")
        expect(status).to_have_text("queued")
        expect(page.locator("#why")).to_contain_text("It waits for resources that other runs hold")
        metrics = page.context.new_page()
        metrics.goto(at(run, "/metrics"))
        metrics.evaluate("window.same = true")

        daemon.client.cancel(ahead.id)
        expect(status).to_have_text("running")
        expect(page.locator("#why")).to_contain_text("It is running")
        expect(page.locator("#why time[data-until]")).to_have_text(re.compile(r"^(59|1 m 00) s$|^\d+ s$"))
        cost = page.locator("#run-head data")
        expect(cost).to_have_text(re.compile(r"^\$\d\.\d+$"))
        expect(cost).not_to_have_text(cost.inner_text())
        page.get_by_text("Each phase, attempt by attempt").click()
        expect(page.locator("#phase-list tbody tr").last).to_contain_text("running")
        page.locator("#events summary").click()
        expect(page.locator("#event-list tbody tr").last).to_contain_text("run.running")
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()
        expect(metrics.locator("#meters")).to_have_attribute("data-at", re.compile(r"\[.+,.+\]"))
        expect(metrics.locator("[data-chart=memory] canvas")).to_be_visible()
        results = page.context.new_page()
        results.goto(at(run, "/results"))
        expect(results.locator("#results")).to_contain_text("It is not over yet")

        daemon.open_gate(run.id)
        expect(status).to_have_text("failed")
        expect(page.locator("#why")).to_contain_text("Failed: exited with code 3")
        ended = page.locator("#why li time")
        finished = handle.refresh().finished_at
        assert finished is not None
        expect(ended).to_contain_text(f"{finished.astimezone(timezone(timedelta(hours=9))):%H:%M:%S}")
        expect(ended).to_have_attribute("title", re.compile(f"^{finished:%Y-%m-%dT%H:%M:%S}"))
        expect(page.locator("#why")).not_to_contain_text(re.compile("UTC|runs logs"))
        expect(page.locator("#run-head data")).to_have_count(0)
        for name in ("phases", "events"):
            expect(page.locator(f"#{name}")).to_have_attribute("open", "")
        expect(page.locator("#phase-list tbody tr").first).to_contain_text("queued")
        expect(page.locator("#event-list tbody tr").last).to_contain_text("run.finished")
        expect(page.get_by_role("button", name="Delete")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        expect(page.get_by_role("row", name=re.compile("^1 .* exited with code 3 3 "))).to_be_visible()
        expect(page.locator("#course .narrow-rows")).to_contain_text("queued")
        expect(page.locator("#bill")).to_contain_text(f"${handle.refresh().usage.cost_usd}")
        expect(results.locator("#results .figure")).to_have_text("3")
        expect(metrics.locator("#run-head .badge")).to_have_text("failed")
        assert page.evaluate("window.same")
        assert metrics.evaluate("window.same")
        page.locator("#next").get_by_role("link", name="logs").click()
        expect(page).to_have_url(re.compile(f"{handle.id}/logs$"))


def test_run_is_extended_saved_relabelled_cancelled_and_deleted_by_hand(
    inside: Page, web: Site, watch: Watch
) -> None:
    daemon, page = web.daemon, inside
    said = {"image": daemon.image, "command": ["sleep", "600"], "stop_grace_seconds": 0}
    handle, late = daemon.client.create_batch(
        [
            {**said, "timeout_seconds": 3600, "labels": {"a": "1", "b": "2"}},
            {**said, "timeout_seconds": 1},
        ]
    )
    daemon.until(handle.id, "run.running")
    run = handle.refresh()
    page.goto(at(run))

    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#extend-now")).to_contain_text(re.compile(r"for another 5\d m"))
    page.get_by_role("button", name="+15 min").click()
    page.get_by_label("Minutes to add").press("End")
    page.keyboard.press("Backspace")
    page.keyboard.type("6")  # 16
    assert run.deadline_at is not None
    then = run.deadline_at + timedelta(minutes=16)
    expect(page.locator("#extend-then time")).to_have_attribute(
        "datetime", re.compile(f"^{then:%Y-%m-%dT%H:%M}")
    )
    axe(page)
    with page.expect_navigation():
        page.locator("#extend").get_by_role("button", name="Extend").click()
    assert handle.refresh().spec.timeout_seconds == 3600 + 16 * 60
    page.get_by_role("button", name="Extend").click()
    page.get_by_label("Minutes to add").fill("100000")
    page.locator("#extend").get_by_role("button", name="Extend").click()
    assert page.get_by_label("Minutes to add").evaluate("field => field.validity.rangeOverflow")
    page.locator("#extend").get_by_role("button", name="Close").click()
    expect(page.locator("#batch")).to_have_text("one of 2 submitted together")
    expect(page.locator("#batch")).to_have_attribute("href", f"/p/default/batches/{handle.id}")

    page.get_by_role("button", name="Labels").click()
    page.get_by_label("One KEY=VALUE on a line").fill("a=x=y\nc=")
    with page.expect_navigation():
        page.locator("#relabel").get_by_role("button", name="Save").click()
    assert handle.refresh().labels == {"a": "x=y", "c": ""}
    expect(page.locator("#run-head .label")).to_have_text(["a=x=y", "c="])

    page.get_by_role("button", name="Save as task").click()
    watch.expect("422")
    page.get_by_label("Name").fill("not a name!")
    page.locator("#save").get_by_role("button", name="Save").click()
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    axe(page)
    page.get_by_label("Name").fill("saved-by-hand")
    page.route("**/tasks/task_*", lambda route: route.fulfill(body="", content_type="text/html"))
    with page.expect_navigation(url="**/p/default/tasks/task_*"):
        page.locator("#save").get_by_role("button", name="Save").click()
    task = daemon.client.tasks.get("saved-by-hand")
    assert task.spec.command == ["sleep", "600"]
    triggered = daemon.client.tasks.trigger(task.id)
    page.goto(at(triggered.refresh()))
    expect(page.get_by_role("link", name="saved-by-hand")).to_have_attribute(
        "href", f"/p/default/tasks/{task.id}"
    )
    daemon.client.tasks.delete(task.id)
    page.reload()
    expect(page.locator("main")).to_contain_text(f"a task that was deleted ({task.id})")
    daemon.client.cancel(triggered.id)

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_text("Copy as CLI, Python or curl").click()
    page.get_by_role("button", name="Copy the text for CLI").click()
    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert "runs run" in page.evaluate("navigator.clipboard.readText()")

    page.goto(at(late.refresh()))
    expect(page.locator("#why")).to_contain_text("Next: give it more time")
    page.locator("#next").get_by_role("link", name="run it again").click()
    expect(page.get_by_label("Timeout")).to_be_focused()

    page.goto(at(run))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(f"Cancel {run.id}?")).to_be_visible()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#run-head .badge")).to_have_text("cancelled")

    with page.expect_navigation():
        page.get_by_role("button", name="Run again", exact=True).click()
    again = daemon.client.get(page.url.rpartition("/")[2])
    assert (again.rerun_of, again.labels) == (run.id, {"a": "x=y", "c": ""})
    expect(page.get_by_role("link", name=run.id)).to_be_visible()
    daemon.client.cancel(again.id)
    expect(page.locator("#run-head .badge")).to_have_text("cancelled")
    page.get_by_role("button", name="Delete").click()
    with page.expect_navigation(url="**/p/default/runs"):
        page.get_by_role("button", name="Yes").click()
    assert again.id not in [each.id for each in daemon.client.iterate()]


@pytest.mark.usefixtures("python_image")
def test_whatever_a_run_says_is_shown_and_does_nothing(inside: Page, web: Site, tmp_path: Path) -> None:
    page, client = inside, web.daemon.client
    (tmp_path / "hostile.py").write_text(PROGRAM)
    result = client.create_and_wait(
        timeout=300, image=images.PYTHON, source={"upload": client.upload(tmp_path).id},
        python={"entrypoint": {"function": "hostile.py:hostile", "args": [SCRIPT]}}, network="none",
        name=(IMAGE + SCRIPT + TURNED)[:128], env={"HOSTILE": SCRIPT + LONG, '<b>': LINK},
        labels={"script": SCRIPT, "image": IMAGE, "link": LINK, "lines": "a\nb=c", "long": "w" * 256},
    )  # fmt: skip
    assert result.status is Status.SUCCEEDED, result.stderr
    shown = {
        "": (SCRIPT, IMAGE, LINK, "lines=a"),
        "/problems": ("3 times", "RuntimeError", SCRIPT + IMAGE, "once"),
        "/results": (SCRIPT, IMAGE, r"\u202egpj.exe\u2066", "800 more", "characters more"),
        "/metrics": (IMAGE, "of 32.0 MiB", "Requests"),
    }
    for tab in TABS:
        page.goto(at(result, tab))
        page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")
        for text in shown[tab]:
            expect(page.locator("main")).to_contain_text(text)
        expect(page).to_have_title(re.compile(f"^{re.escape(result.name or '')}"))
        assert page.locator("main img, main script, main a[href^='javascript']").count() == 0
        axe(page)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{tab} overflows"
        page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(at(result, "/results"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the return value").click()
    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == result.return_value
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the return value").click()
    assert json.loads(download.value.path().read_bytes()) == result.return_value
    assert download.value.suggested_filename == f"{result.id}.json"
    page.goto(at(result, "/logs?stream=system"))
    expect(page.locator(".log-row.is-system").first).to_contain_text("[runsd: ")
    expect(page.locator(".log-row:not(.is-system)")).to_have_count(0)
    page.goto(at(result, "/problems"))
    expect(page.locator("#run-tabs .count")).to_have_text("2")
    expect(page.locator("mark").first).to_contain_text("hostile.py")
    expect(page.locator("mark").last).to_contain_text("in breaks")


@pytest.mark.usefixtures("python_image")
def test_calls_of_models_are_drawn_while_they_come(inside: Page, web: Site) -> None:
    program = SENDER + "call(1); gate('/gate'); call(2)"
    handle = web.daemon.submit(
        "python3", "-c", program, image=images.PYTHON, network="bridge",
        resources={"requests": {"cpu": "500m", "memory": "64Mi"}},
    )  # fmt: skip
    page = inside
    page.goto(at(handle.refresh(), "/metrics"))
    figures = page.locator("#meters .figure")
    meters = page.locator("#meters")
    for chart in ("requests", "tokensIn tokensOut"):
        expect(page.locator(f"[data-chart='{chart}'] canvas")).to_be_visible()
    expect(figures.nth(2)).to_have_text("1")
    web.daemon.open_gate(handle.id)
    expect(figures.nth(2)).to_have_text("2")
    expect(page.locator("#run-head .badge")).to_have_text("succeeded")
    expect(figures).to_have_text([re.compile(r"\d"), re.compile("MiB"), "2", "20", "10"])
    expect(meters).to_have_attribute("data-requests", re.compile(r"2\]$"))
    expect(meters).to_have_attribute("data-tokens-in", re.compile(r"20\]$"))
    expect(page.locator("[data-chart='tokensIn tokensOut'] .u-legend")).to_contain_text("out")


def test_who_may_only_read_is_offered_no_change(open_page: OpenPage, web: Site) -> None:
    reader = web.daemon.client.keys.create("reader of a run", access="read")
    run = web.daemon.run("true", resources={"requests": {"cpu": "100m"}})
    page = open_page(web)
    log_in(page, Site(web.daemon, web.url, reader.token))
    for tab in (*TABS, "/events"):
        page.goto(at(run, tab))
        expect(page.locator("#run-head .badge")).to_have_text("succeeded")
        assert page.locator("#run-head button, #run-head .button, main dialog").count() == 0
    axe(page)
    web.daemon.client.keys.delete(reader.id)
