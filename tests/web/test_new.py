"""The form of a run: every kind is started there, and what is wrong is said where it was written."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from runsd_sdk import Run, RunHandle
from runsd_sdk.python import PythonSpec

from tests.web.axe import axe
from tests.web.site import Site
from tests.web.watch import Watch

HOSTILE = """<script>alert(1)</script> "><img src=x onerror=alert(1)> it's $HOME \u202e {{ 7 * 7 }}"""
# Where the form of a task leads to; that page has tests of its own.
LANDING = re.compile(r"/p/default/tasks/task_\w+$")
ELSEWHERE = "<!doctype html><title>elsewhere</title><link rel=icon href='data:,'>"
PROGRAM = """
import sys

def area(width, *, height=1, deep=True):
    return {"area": width * height, "deep": deep}

if __name__ == "__main__":
    print(sys.argv[1:])
"""


@pytest.fixture
def new(inside: Page, web: Site) -> Iterator[Page]:
    """The empty form, of a project that has a volume and a secret."""
    with web.daemon.volume("cache"):
        web.daemon.client.secrets.set("TOKEN", "hidden-value")
        inside.route(LANDING, lambda route: route.fulfill(content_type="text/html", body=ELSEWHERE))
        inside.goto("/p/default/new")
        yield inside
        web.daemon.client.secrets.delete("TOKEN")


def test_what_is_wrong_is_said_at_its_field_and_then_it_runs(new: Page, web: Site, watch: Watch) -> None:
    watch.expect("422")
    axe(new)
    field(new, "image").fill("Not An Image")
    field(new, "args").fill("""sh -c 'cat /run/secrets/token; echo "$A $FOLD"; ls -d /c'""")
    expect(new.get_by_role("list", name="Arguments, word by word").get_by_role("listitem")).to_have_count(3)
    field(new, "resources.requests.cpu").fill("400")
    more(new, "Variables", "A=B", "x")
    more(new, "Volumes", "cache", "c")
    more(new, "Secrets", "TOKEN", "", "token")
    start(new)
    expect(said_at(field(new, "image"))).to_contain_text("is not an image reference")
    expect(said_at(part(new, "Volumes", "Seen at"))).to_contain_text("is not an absolute path")
    expect(group(new, "Variables")).to_contain_text("is not a variable name")
    expect(field(new, "image")).to_be_focused()
    axe(new)
    field(new, "image").fill(web.daemon.image)
    part(new, "Variables", "Name").fill("A")
    part(new, "Volumes", "Seen at").fill("/c")
    start(new)
    expect(said_at(field(new, "resources.requests.cpu"))).to_contain_text("this host gives a run at most")
    expect(new.locator(".field-error")).to_have_count(1)
    field(new, "resources.requests.cpu").fill("0.5")
    more(new, "Variables", "FOLD", "")
    handle = started(new, web)
    assert handle.result().stdout.endswith("x \n/c\n")
    assert handle.run.spec.env == {"A": "x", "FOLD": ""}
    assert handle.run.spec.resources.requests.cpu == "0.5"


def test_python_runs_are_started_from_what_is_uploaded(new: Page, web: Site, tmp_path: Path) -> None:
    archive = tmp_path / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("lib/shapes.py")
        member.size = len(PROGRAM)
        tar.addfile(member, io.BytesIO(PROGRAM.encode()))
    new.get_by_label("A Python file").check()
    new.get_by_label("Archive of the directory").set_input_files(archive)
    expect(new.locator("#archive-said")).to_contain_text("is there: 1 files")
    upload = field(new, "source.upload").input_value()
    field(new, "python.entrypoint.file").fill("lib/shapes.py")
    field(new, "python.entrypoint.args").fill("--fold '3 4'")
    field(new, "python.version").fill("3.11")
    assert started(new, web).result().stdout == "['--fold', '3 4']\n"

    new.goto("/p/default/new")
    new.get_by_label("A Python module").check()
    field(new, "python.entrypoint.module").fill("lib.shapes")
    field(new, "python.entrypoint.args").fill("--fold 5")
    field(new, "python.version").fill("3.11")
    field(new, "source.upload").fill(upload)
    assert started(new, web).result().stdout == "['--fold', '5']\n"

    new.goto("/p/default/new")
    new.get_by_label("A Python function").check()
    field(new, "python.entrypoint.function").fill("lib/shapes.py:area")
    more(new, "Arguments by position", "six")
    more(new, "Arguments by name", "deep", "false")
    more(new, "Arguments by name", "height", "7")
    field(new, "python.version").fill("3.11")
    field(new, "source.upload").fill(upload)
    start(new)
    expect(said_at(part(new, "Arguments by position", "Value"))).to_contain_text("this is not JSON")
    part(new, "Arguments by position", "Value").fill("6")
    handle = started(new, web)
    assert handle.result().return_value == {"area": 42, "deep": False}

    new.goto(f"/p/default/new?from={handle.id}")
    expect(field(new, "python.entrypoint.function")).to_have_value("lib/shapes.py:area")
    by_name = group(new, "Arguments by name").get_by_label("Value (JSON)")
    expect(by_name.first).to_have_value("false")
    by_name.last.fill("8")
    again = started(new, web)
    assert again.result().return_value == {"area": 48, "deep": False}
    assert again.run.rerun_of == handle.id
    assert python(again.run).dependencies == python(handle.run).dependencies


def test_a_run_is_run_again_with_a_change_and_becomes_a_task(new: Page, web: Site) -> None:
    client = web.daemon.client
    before = client.create(
        image=web.daemon.image, args=["sh", "-c", 'echo "$A"'], env={"A": HOSTILE, "B": "2"},
        labels={"a.b/c": HOSTILE}, name=HOSTILE, retries={"limit": 1, "on": ["lost"]}, timeout_seconds=50,
    )  # fmt: skip
    new.goto(f"/p/default/new?from={before.id}")
    expect(new.get_by_role("heading", level=1)).to_contain_text(HOSTILE[:20])
    expect(part(new, "Variables", "Value").first).to_have_value(HOSTILE)
    axe(new)
    group(new, "Variables").get_by_role("button", name="Remove Variables 2").click()
    field(new, "timeoutSeconds").fill("1m")
    field(new, "name").fill("")
    handle = started(new, web)
    assert handle.run.spec.env == {"A": HOSTILE}
    assert (handle.run.spec.timeout_seconds, handle.run.name) == (60, None)
    assert handle.run.spec.retries == before.run.spec.retries
    assert handle.run.labels == {"a.b/c": HOSTILE}

    new.goto(f"/p/default/new?save=task&from={handle.id}")
    new.get_by_label("Name of the task").fill("nightly")
    landed(new, "tasks/task_")
    task = client.tasks.get("nightly")
    assert task.spec.env == {"A": HOSTILE}
    new.goto(f"/p/default/new?edit={task.id}")
    field(new, "timeoutSeconds").fill("2m")
    new.get_by_label("Name of the task").fill("weekly")
    landed(new, "tasks/task_")
    changed = client.tasks.get("weekly")
    assert (changed.id, changed.version, changed.spec.timeout_seconds) == (task.id, task.version + 1, 120)
    assert changed.spec.env == {"A": HOSTILE}
    new.goto("/p/default/new?task=weekly")
    part(new, "Variables", "Value").fill("other")
    run = started(new, web)
    assert (run.result().stdout, run.run.task) == ("other\n", task.id)
    client.tasks.delete(task.id)


def test_a_run_for_each_value_by_keyboard_alone(new: Page, web: Site) -> None:
    keyboard = new.keyboard
    new.get_by_label("Image", exact=True).focus()
    keyboard.type(web.daemon.image)
    keyboard.press("Tab")
    keyboard.type("""sh -c 'echo "fold $FOLD"'""")
    tab_to(new, "Add to: Labels")
    keyboard.press("Enter")
    keyboard.type("sweep")
    keyboard.press("Tab")
    keyboard.type("keys")
    tab_to(new, "One run for each value")
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.type("FOLD")
    keyboard.press("Tab")
    keyboard.type("08..10")
    expect(new.locator("#over-said")).to_have_text("3 runs: 08, 09, 10")
    tab_to(new, "Copy as CLI")
    keyboard.press("Enter")
    expect(new.locator("#copy-cli")).to_have_text(
        f"""runs map --over FOLD=08,09,10 -l sweep=keys {web.daemon.image} -- sh -c 'echo "fold $FOLD"'"""
    )
    expect(new.locator("#copy-curl")).to_contain_text(f"{web.url}/v1/runs")
    tab_to(new, "Start the run")
    keyboard.press("Enter")
    new.wait_for_url("**/p/default/runs")
    made = web.daemon.client.list(label={"sweep": "keys"}).data
    assert sorted(run.spec.env["FOLD"] for run in made) == ["08", "09", "10"]


def field(page: Page, name: str) -> Locator:
    """Find the field of a place in the body."""
    return page.locator(f"[name='{name}']:visible")


def group(page: Page, name: str) -> Locator:
    """Find a group of rows."""
    return page.get_by_role("group", name=name, exact=True)


def part(page: Page, rows: str, label: str) -> Locator:
    """Find the parts of rows with this label."""
    return (
        group(page, rows)
        .locator("label")
        .filter(has_text=re.compile(f"^{re.escape(label)}"))
        .locator("input")
    )


def more(page: Page, rows: str, *parts: str) -> None:
    """Add a row and fill in its parts."""
    group(page, rows).get_by_role("button", name="Add").click()
    fields = group(page, rows).locator(".row").last.locator("input:not([type=checkbox]), select").all()
    for each, text in zip(fields, parts, strict=False):
        if each.evaluate("each => each.tagName") == "SELECT":
            each.select_option(text)
        else:
            each.fill(text)


def said_at(field: Locator) -> Locator:
    """Find what was said at a field."""
    return field.locator("xpath=ancestor::*[contains(@class, 'field')][1]").locator(".field-error")


def start(page: Page) -> None:
    """Press the button that sends the form."""
    page.locator(".send button").click()


def started(page: Page, web: Site) -> RunHandle:
    """Send the form, and return the run that it has led to when that has succeeded."""
    start(page)
    page.wait_for_url(re.compile(r"/p/default/runs/run_\w+$"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    handle = web.daemon.client.handle(page.url.rpartition("/")[2])
    assert handle.wait().status == "succeeded", handle.result().stderr
    return handle


def landed(page: Page, where: str) -> None:
    """Send the form, and return when it has led there."""
    start(page)
    page.wait_for_url(re.compile(f"/p/default/{where}"))


def python(run: Run) -> PythonSpec:
    """Return the program of a run that is one."""
    assert run.spec.python is not None
    return run.spec.python


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name is in focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if name in page.evaluate("document.activeElement.textContent"):
            return
    raise AssertionError(f"no Tab leads to {name}")
