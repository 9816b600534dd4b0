"""Tasks in a browser: started, scheduled, opened to others, and each change told."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from runsd_sdk import Task

from tests.web.axe import axe
from tests.web.site import Site
from tests.web.watch import Watch

HOSTILE = (
    "<script>document.title='hacked'</script>\"><img src=x onerror=\"document.title='hacked'\">\u202e"
    + "x" * 20
)


@pytest.fixture
def task(web: Site) -> Iterator[Task]:
    spec: Any = web.daemon.spec("sh", "-c", "cat /run/runsd/webhook.json; true", HOSTILE, name=HOSTILE)
    task = web.daemon.client.tasks.create("nightly", env={"TEXT": HOSTILE}, labels={"who": HOSTILE}, **spec)
    yield task
    web.daemon.client.tasks.delete(task.id)


def test_a_task_is_started_from_the_list_and_its_runs_are_told_as_they_come(
    inside: Page, web: Site, task: Task
) -> None:
    inside.goto("/p/default/tasks")
    row = inside.locator(f"#{task.id}")
    expect(row).to_contain_text("never")
    row.get_by_role("button", name="Run now: nightly").click()
    said = inside.get_by_role("status").get_by_text("A run of nightly has been started.")
    expect(said).to_be_visible()
    expect(row.get_by_text("succeeded")).to_be_visible()
    [run] = web.daemon.client.list(task=task.id).data
    expect(said.get_by_role("link", name="Look at it")).to_have_attribute("href", f"/p/default/runs/{run.id}")
    axe(inside)
    row.get_by_role("link", name="nightly").click()
    runs = inside.locator("#runs tbody tr")
    expect(runs).to_have_count(1)
    expect(inside.get_by_role("link", name="Run with changes")).to_have_attribute("href", re.compile(task.id))
    web.daemon.client.tasks.trigger(task.id)
    expect(runs).to_have_count(2)
    expect(runs.first.get_by_text("succeeded")).to_be_visible()
    web.daemon.client.tasks.edit(task.id, env={"TEXT": None, "FOLD": "3"})  # type: ignore[dict-item]  # of a merge patch
    inside.get_by_role("link", name="Versions").click()
    newest = inside.get_by_role("region", name="Version 2")
    expect(newest.locator("tbody tr")).to_have_text(
        [re.compile("env.FOLD.*3", re.DOTALL), re.compile("env.TEXT.*script", re.DOTALL)]
    )
    expect(inside.get_by_role("region", name="Version 1")).to_contain_text("The first.")
    axe(inside)
    expect(inside).not_to_have_title("hacked")


def test_a_schedule_is_told_before_it_is_saved_and_rests_when_paused(
    inside: Page, web: Site, task: Task, watch: Watch
) -> None:
    inside.goto(f"/p/default/tasks/{task.id}")
    inside.get_by_text("Start it by the clock").click()
    card = inside.get_by_role("region", name="Schedule")
    cron, preview = card.get_by_label("Expression"), card.get_by_role("status")
    cron.fill("0 0 30 2 *")
    expect(preview).to_contain_text("is not a cron expression")
    cron.fill("30 2 * * *")
    card.get_by_label("Time zone").fill("Europe/Berlin")
    expect(preview).to_contain_text("At 02:30 every day Europe/Berlin")
    expect(preview.locator("li")).to_have_count(5)
    card.get_by_label("After an outage").select_option("last")
    card.get_by_role("button", name="Save").click()
    times = card.locator("#times")
    expect(times.locator("ol li")).to_have_count(5)
    expect(card).to_contain_text("last: the last of the times that were missed is made up for")
    axe(inside)
    card.get_by_role("button", name="Pause").click()
    expect(times).to_contain_text("Nothing is started by the clock")
    inside.goto("/p/default/tasks")
    expect(inside.locator(f"#{task.id}")).to_contain_text("At 02:30 every day Europe/Berlin")
    expect(inside.locator(f"#{task.id}")).to_contain_text("paused")
    inside.go_back()
    card.get_by_role("button", name="Resume").click()
    expect(times.locator("ol li")).to_have_count(5)
    inside.get_by_text("Change the schedule").click()
    card.get_by_label("Time zone").fill("Europe/Nowhere")
    web.daemon.client.tasks.trigger(task.id)
    expect(inside.locator("#runs tbody tr").get_by_text("succeeded")).to_be_visible()
    expect(times.locator("time", has_text="UTC")).to_have_count(
        0
    )  # what came anew is in the reader's zone too
    expect(card.get_by_label("Time zone")).to_have_value("Europe/Nowhere")
    card.get_by_role("button", name="Save").click()
    watch.expect("422")
    expect(card.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")


@pytest.mark.needs("openssl")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_an_address_is_shown_once_and_the_command_beside_it_starts_the_task(
    inside: Page, web: Site, task: Task
) -> None:
    web.daemon.client.secrets.set("GITHUB", "hush")
    inside.goto(f"/p/default/tasks/{task.id}")
    card = inside.get_by_role("region", name="Webhook address")
    card.get_by_label("Take only what is signed with").select_option("GITHUB")
    card.get_by_role("button", name="Open an address").click()
    told = inside.get_by_role("dialog", name="The address of nightly")
    expect(told).to_be_visible()
    axe(inside)
    address, command = told.get_by_label("Address").input_value(), shown(told)
    assert address.startswith(f"{web.url}/v1/hooks/hook_")
    told.get_by_role("button", name="I have it").click()
    expect(card).to_contain_text("with the secret GITHUB")
    assert address.rpartition("/")[2] not in inside.content()
    done = subprocess.run(
        ["sh", "-c", command], env={"PATH": "/usr/bin:/bin", "GITHUB": "hush"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "runId" in done.stdout, done.stdout
    expect(inside.locator("#runs tbody tr").get_by_text("webhook")).to_be_visible()
    (run,) = web.daemon.client.iterate(task=task.id)
    web.daemon.client.wait(run.id)
    assert web.daemon.client.result(run.id).stdout == '{"ref": "main"}'
    card.get_by_role("button", name="Close it").click()
    inside.get_by_role("button", name="Yes").click()
    expect(card.get_by_role("button", name="Open an address")).to_be_visible()
    assert web.daemon.client.tasks.get(task.id).webhook is None
    web.daemon.client.secrets.delete("GITHUB")


def test_a_task_gets_another_name_and_goes(inside: Page, web: Site) -> None:
    made = web.daemon.client.tasks.create("first", **web.daemon.spec("true"))
    web.daemon.client.tasks.create("taken", **web.daemon.spec("true"))
    inside.goto("/p/default/tasks/first")
    inside.get_by_text("Rename or delete").click()
    inside.get_by_label("Name").fill("second")
    inside.get_by_role("button", name="Rename").click()
    expect(inside.get_by_role("heading", name="second")).to_be_visible()
    for name in ("second", "taken"):
        inside.goto(f"/p/default/tasks/{name}")
        inside.get_by_text("Rename or delete").click()
        inside.get_by_role("button", name="Delete the task").click()
        inside.get_by_role("button", name="Yes").click()
        expect(inside.get_by_role("heading", name="Tasks")).to_be_visible()
    expect(inside.get_by_text("No tasks yet")).to_be_visible()
    assert made.id not in {task.id for task in web.daemon.client.tasks.list()}


def shown(told: Locator) -> str:
    """Return the command that a dialog shows."""
    return told.locator("pre:visible").text_content() or ""
