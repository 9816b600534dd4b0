"""The form of a run: every kind is started there, and what is wrong is said where it was written."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from runsd_sdk import Run, RunHandle
from runsd_sdk.packing import listed
from runsd_sdk.python import GitSource, PythonSpec

from tests.daemon.repository import commit, git, made
from tests.sources.test_packing import IGNORING, put
from tests.web.axe import axe
from tests.web.conftest import OpenPage, ServeWeb
from tests.web.site import Site, log_in
from tests.web.watch import Watch

HOSTILE = """<script>alert(1)</script> "><img src=x onerror=alert(1)> it's $HOME \u202e {{ 7 * 7 }}"""
# Where the form of a task leads to; that page has tests of its own.
LANDING = re.compile(r"/p/default/tasks/task_\w+$")
ELSEWHERE = "<!doctype html><title>elsewhere</title><link rel=icon href='data:,'>"
PROGRAM = """
import os, sys

def area(width, *, height=1, deep=True):
    return {"area": width * height, "deep": deep}

def files():
    found = (os.path.join(place, name) for place, _, names in os.walk("/workspace") for name in names)
    return sorted(os.path.relpath(path, "/workspace") for path in found)

if __name__ == "__main__":
    print(sys.argv[1:])
"""
KEPT = """async ([cases, paths]) => {
    const here = document.querySelector('script[src$="/new.js"]').src;
    const { kept, pack } = await import(here.replace("new.js", "pack.js"));
    const files = (texts) => new Map(Object.entries(texts).map(([path, text]) => [path, new Blob([text])]));
    const { tar } = await pack(files(paths), 1e9);
    const bytes = [...new Uint8Array(await tar.arrayBuffer())];
    return [await Promise.all(cases.map((each) => kept(files(each)))), bytes];
}"""


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
    expect(new.locator("[name=runtime]")).to_have_count(0)  # this host offers none
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


def test_python_runs_are_started_from_files_a_folder_and_an_archive(
    new: Page, web: Site, tmp_path: Path
) -> None:
    file = tmp_path / "shapes.py"
    file.write_text(PROGRAM)
    new.get_by_label("A Python file").check()
    new.get_by_label("Or files, or an archive").set_input_files(file)
    expect(new.locator("#archive-said")).to_contain_text("shapes.py is there: 1 file,")
    expect(field(new, "python.entrypoint.file")).to_have_value("shapes.py")
    field(new, "python.entrypoint.args").fill("--fold '3 4'")
    field(new, "python.version").fill("3.11")
    assert started(new, web).result().stdout == "['--fold', '3 4']\n"

    folder = tmp_path / "folder"
    deep = f"{'d' * 120}/{'e' * 120}/ü.txt"
    put(folder, {".gitignore": ".env\n/data/\n", ".env": "TOKEN=hidden", "data/big.csv": "1", deep: "1"})
    put(folder, {"lib/shapes.py": PROGRAM, "lib/__pycache__/shapes.pyc": "x", ".venv/bin/x": "x"})
    made(folder)
    new.goto("/p/default/new")
    new.get_by_label("A Python function").check()
    new.get_by_label("Folder").set_input_files(folder)
    expect(new.locator("#archive-said")).to_contain_text("folder is there: 3 files,")
    field(new, "python.entrypoint.function").fill("lib/shapes.py:files")
    field(new, "python.version").fill("3.11")
    went = started(new, web).result().return_value
    assert went == sorted(listed(folder)) == [".gitignore", deep, "lib/shapes.py"]

    archive = tmp_path / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("lib/shapes.py")
        member.size = len(PROGRAM)
        tar.addfile(member, io.BytesIO(PROGRAM.encode()))
    new.goto("/p/default/new")
    new.get_by_label("A Python module").check()
    new.get_by_label("Or files, or an archive").set_input_files(archive)
    expect(new.locator("#archive-said")).to_contain_text("is there: 1 file,")
    upload = field(new, "source.upload").input_value()
    field(new, "python.entrypoint.module").fill("lib.shapes")
    field(new, "python.entrypoint.args").fill("--fold 5")
    field(new, "python.version").fill("3.11")
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
    new.goto(f"/p/default/runs/{before.id}")
    new.get_by_role("link", name="Edit and run again").click()
    expect(new.get_by_role("heading", level=1)).to_contain_text(f"Run {HOSTILE[:20]}")
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
    new.unroute(LANDING)
    new.goto(f"/p/default/tasks/{task.id}")
    new.get_by_role("link", name="Run with changes").click()
    part(new, "Variables", "Value").fill("other")
    run = started(new, web)
    assert (run.result().stdout, run.run.task) == ("other\n", task.id)
    client.tasks.delete(task.id)


def test_what_is_not_changed_stays_as_it_was_written(new: Page, web: Site, watch: Watch) -> None:
    client = web.daemon.client
    args = [1.0, 2**53 + 1, "x", {"deep": [2.0, 0.5]}]
    entrypoint = {"function": "a:b", "args": args, "kwargs": {"rate": 1.0}}
    client.tasks.create("exact", python={"version": "3.12", "entrypoint": entrypoint})
    new.get_by_text("Begin with a spec file").click()
    new.get_by_label("Or its text").fill(
        json.dumps({"python": {"entrypoint": entrypoint}, "timeoutSeconds": 90})
    )
    new.get_by_role("button", name="Fill in the form").click()
    expect(new.locator("#spec-said")).to_have_text("The form says what it says.")
    expect(part(new, "Arguments by position", "Value").nth(1)).to_have_value("9007199254740993")
    new.goto("/p/default/new?edit=exact")
    values = part(new, "Arguments by position", "Value")
    expect(values.nth(0)).to_have_value("1.0")
    values.nth(2).fill("3.0")
    landed(new, "tasks/task_")
    kept = client.tasks.get("exact").spec.python
    assert kept is not None
    assert repr(kept.entrypoint.args) == repr([1.0, 2**53 + 1, 3.0, {"deep": [2.0, 0.5]}])
    assert repr(kept.entrypoint.kwargs) == repr({"rate": 1.0})
    client.tasks.delete("exact")

    watch.expect("422")
    run = client.create(image=web.daemon.image, args=["true"])
    new.route("**/new?save=task&from=*", chosen_runtime)
    new.goto(f"/p/default/new?save=task&from={run.id}")
    new.get_by_label("Name of the task").fill("with-runtime")
    start(new)
    expect(new.get_by_role("alert")).to_contain_text("runtime")  # which this host lets nobody choose


def chosen_runtime(route: Route) -> None:
    """Answer with the form of a run that had a runtime of its own, for which there is no field."""
    answer = route.fetch()
    field = "&#34;runtime&#34;: "
    route.fulfill(response=answer, body=answer.text().replace(f"{field}null", f"{field}&#34;other&#34;"))


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
        f"""runs map --over FOLD=08..10 -l sweep=keys {web.daemon.image} -- sh -c 'echo "fold $FOLD"'"""
    )
    expect(new.locator("#copy-curl")).to_contain_text(f"{web.url}/v1/runs")
    tab_to(new, "Start the run")
    keyboard.press("Enter")
    new.wait_for_url("**/p/default/batches/run_*")
    expect(new.get_by_role("heading", name="3 runs submitted together")).to_be_visible()
    folds = web.daemon.client.list(label={"sweep": "keys"}).data
    assert sorted(run.spec.env["FOLD"] for run in folds) == ["08", "09", "10"]


def test_more_runs_than_a_batch_takes_are_started_as_several(new: Page, web: Site, watch: Watch) -> None:
    client = web.daemon.client
    field(new, "image").fill(web.daemon.image)
    field(new, "args").fill("sleep 600")
    field(new, "name").fill("many")
    memory = str(client.info().largest_run.memory_bytes)  # one at a time: the others are only queued
    field(new, "resources.requests.memory").fill(memory)
    new.get_by_text("More: network").click()
    field(new, "stopGraceSeconds").fill("0")
    new.get_by_text("One run for each value").click()
    new.locator("[name='over.key']").fill("N")
    new.locator("[name='over.values']").fill("0..10000")
    expect(new.locator("#over-said")).to_contain_text("0..10000 has 10001 values; at most 10000 runs")
    new.locator("[name='over.values']").fill("0..1000")
    expect(new.locator("#over-said")).to_contain_text("1001 runs: 0, 1, 2")
    # The second request is lost on its way: what is started already is not started again.
    second = re.compile("/v1/runs/batch$")
    asked: list[str] = []

    def lose_the_second(route: Route) -> None:
        asked.append(route.request.headers["idempotency-key"])
        route.abort() if len(asked) == 2 else route.continue_()

    new.route(second, lose_the_second)
    watch.expect("ERR_FAILED")
    start(new)
    expect(new.get_by_role("alert")).to_contain_text("1000 of 1001 runs are started. Start again")
    start(new)
    new.wait_for_url("**/p/default/runs")
    assert asked == [asked[0], asked[1], asked[0], asked[1]]
    rows = new.locator("tr.batch", has_text="many")
    expect(rows).to_have_count(1)
    expect(rows.get_by_role("link", name="many \u00d7 1000")).to_be_visible()
    (last,) = client.list(name="many-1000").data
    first = client.batch(client.list(name="many-0").data[0].id)
    assert (first.size, first.name, client.batch(last.id).size) == (1000, "many", 1)
    for run in (last, *client.iterate(batch=first.id)):
        client.cancel(run.id)


def test_a_spec_that_is_written_down_fills_the_form(new: Page, web: Site) -> None:
    written = {
        "image": web.daemon.image, "command": ["sh", "-c", 'cat "$P"; echo "$A b"'],
        "env": {"A": "a  'x'", "P": "/run/secrets/s"},
        "secrets": [{"name": "TOKEN", "path": "s"}], "labels": {"from": "file"}, "timeoutSeconds": 90,
        "volumeMounts": [{"volumeId": "cache", "mountPath": "/c", "readOnly": True}],
        "retries": {"limit": 2, "on": ["exited:3"]}, "resources": {"requests": {"cpu": "0.5"}},
    }  # fmt: skip
    field(new, "image").fill("something:else")
    more(new, "Labels", "old", "1")
    new.get_by_text("Begin with a spec file").click()
    new.get_by_label("Or its text").fill("image: busybox")
    new.get_by_role("button", name="Fill in the form").click()
    expect(new.locator("#spec-said")).to_contain_text("This is not JSON")
    document = {"buffer": json.dumps({**written, "runtime": "kata"}).encode()}
    file: Any = {"name": "spec.json", "mimeType": "application/json", **document}
    new.get_by_label("File", exact=True).first.set_input_files(file)
    expect(new.locator("#spec-said")).to_have_text("The form has no field for runtime: that is left out.")
    handle = started(new, web)
    assert handle.result().stdout == "************a  'x' b\n"
    spec = handle.run.spec.wire()
    assert {name: spec[name] for name in ("env", "labels", "timeoutSeconds")} == {
        name: written[name] for name in ("env", "labels", "timeoutSeconds")
    }
    assert (spec["retries"]["limit"], spec["volumeMounts"][0]["readOnly"]) == (2, True)


def test_what_a_folder_leaves_here_is_what_git_ignores(new: Page) -> None:
    paths = {
        "short": "a",
        "n" * 100: "b" * 512,
        "p/" * 60 + "q": "",
        "ü/é": "c" * 513,
        "long/" * 70 + "x": "d",
    }
    kept, tar = new.evaluate(KEPT, [[files for _, files, _ in IGNORING], paths])
    for (name, _, wanted), found in zip(IGNORING, kept, strict=True):
        assert set(found) == wanted, name
    with tarfile.open(fileobj=io.BytesIO(bytes(tar))) as archive:
        packed = {each.name: (archive.extractfile(each) or io.BytesIO()).read().decode() for each in archive}
    assert packed == paths


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose program says at which of its commits it is."""
    folder: Path = tmp_path_factory.mktemp("git") / "code"
    made(folder, {"job.py": "def number():\n    return 1\n"})
    return folder


@pytest.fixture(scope="module")
def forge(serve_web: ServeWeb, code: Path) -> Iterator[Site]:
    """A daemon that may fetch it, and lets runs choose a runtime."""
    with serve_web(RUNSD_SOURCES__LOCAL=str(code.parent), RUNSD_CONTAINERS__RUNTIMES="runc") as site:
        yield site


def test_python_runs_are_started_from_git_and_stay_with_the_commit(
    open_page: OpenPage, forge: Site, code: Path, python_image: str, watch: Watch
) -> None:
    client, page = forge.daemon.client, open_page(forge)
    settled = git(code, "rev-parse", "HEAD")
    log_in(page, forge)
    page.get_by_role("link", name="New run").first.click()
    expect(page.locator("#room")).to_contain_text("GPUs: this host has none")
    capacity = client.info().capacity.cpu_milli / 1000
    hog = forge.daemon.submit("sleep", "600", resources={"requests": {"cpu": "1"}}, stop_grace_seconds=0)
    expect(page.locator("#room")).to_contain_text(f"Cores: {capacity - 1:g} of {capacity:g} free now")
    hog.cancel()
    expect(page.locator("#room")).to_contain_text(f"Cores: {capacity:g} of {capacity:g} free now")
    page.get_by_label("A Python function").check()
    field(page, "python.entrypoint.function").fill("job.py:number")
    page.get_by_label("Where the code is").select_option("git")
    field(page, "source.git.url").fill(str(code))
    field(page, "source.git.ref").fill("no..branch")
    page.locator("#f-base").fill(python_image)
    field(page, "resources.requests.gpu").fill("1")
    page.get_by_text("More: network").click()
    field(page, "runtime").select_option("runc")
    watch.expect("422")
    start(page)
    expect(said_at(field(page, "source.git.ref"))).to_contain_text("is not a branch, tag or commit")
    field(page, "source.git.ref").fill("main")
    start(page)
    expect(said_at(field(page, "resources.requests.gpu"))).to_contain_text("this host has 0 GPUs, not 1")
    field(page, "resources.requests.gpu").fill("")
    first = started(page, forge)
    assert (first.result().return_value, first.run.source_commit) == (1, settled)
    assert first.run.spec.runtime == "runc"

    moved = commit(code, {"job.py": "def number():\n    return 2\n"})
    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_label("Where the code is")).to_have_value("git")
    expect(page.get_by_text(f"It runs commit {settled[:12]} of its source again")).to_be_visible()
    field(page, "timeoutSeconds").fill("5m")
    again = started(page, forge)
    assert (again.result().return_value, again.run.source_commit) == (1, settled)
    assert (again.run.rerun_of, again.run.spec.timeout_seconds) == (first.id, 300)
    page.get_by_role("link", name="Edit and run again").click()
    page.get_by_label("Fetch the branch anew").check()
    anew = started(page, forge)
    assert (anew.result().return_value, anew.run.source_commit) == (2, moved)

    client.projects.set_repository("default", GitSource(url=str(code), ref=settled))
    page.goto("/p/default/new")
    page.get_by_label("A Python function").check()
    expect(page.get_by_label("Where the code is")).to_have_value("project")
    field(page, "python.entrypoint.function").fill("job.py:number")
    page.locator("#f-base").fill(python_image)
    assert started(page, forge).run.source_commit == settled


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
