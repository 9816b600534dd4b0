"""Secrets in a browser: values go in, and are in no page afterwards."""

import hashlib
from pathlib import Path

from playwright.sync_api import Page, expect

from runsd.cli import secret
from tests.web.axe import axe
from tests.web.conftest import OpenPage
from tests.web.site import Site, log_in
from tests.web.watch import Watch

HUSH = "hush</textarea><script>document.title='hacked'</script>\n two lines\t'\"$(x)"
PAGES = ("secrets", "tasks", "tasks/with-secrets", "runs", "volumes", "webhooks")
# Read by the command line and by the page; each line is a case.
LINES = """\
PLAIN=value
export  EXPORTED = spaced out \t
EMPTY_INSIDE="" # not empty: a comment
HASH=a#b
NOTE=a #b
SINGLE='it "is" \\n' # said
DOUBLE="tab\\t line\\n quote\\" slash\\\\ other\\q"
TWICE=first
TWICE=second
  # a comment
\t
UMLAUT=Zoë\u00a0
URL=postgres://u:p@host/db?x=1&y='2'
"""
WRONG = ("no equals", "1A=b", "A='open", 'A="a"b"', "A B=c", "Ä=b", "=x", "A='x' y")


def test_a_value_reaches_runs_exactly_and_no_page(inside: Page, web: Site, watch: Watch) -> None:
    inside.goto("/p/default/secrets")
    expect(inside.get_by_text("No secrets yet")).to_be_visible()
    inside.get_by_label("Name").fill("not a name")
    inside.get_by_label("Value").fill(HUSH)
    inside.get_by_role("button", name="Set the secret").click()
    watch.expect("422")
    expect(inside.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    inside.get_by_label("Name").fill("TOKEN")
    inside.get_by_role("button", name="Set the secret").click()
    row = inside.get_by_role("row", name="TOKEN")
    expect(row).to_be_visible()
    assert seen_by_a_run(web, "TOKEN") == hashlib.sha256(HUSH.encode()).hexdigest()
    row.get_by_role("button", name="Replace").click()
    content = b"\xef\xbb\xbffrom a file\r\n\n"
    inside.get_by_label("or the content of a file").set_input_files(
        {"name": "value", "mimeType": "text/plain", "buffer": content}
    )
    expect(inside.get_by_label("Value")).to_be_focused()
    with inside.expect_navigation():
        inside.get_by_role("button", name="Set the secret").click()
    assert seen_by_a_run(web, "TOKEN") == hashlib.sha256(content).hexdigest()
    web.daemon.client.secrets.set("TOKEN", HUSH)
    web.daemon.client.tasks.create("with-secrets", secrets=["TOKEN"], **web.daemon.spec("true"))
    for path in PAGES:
        inside.goto(f"/p/default/{path}")
        assert "hush" not in inside.content(), path
    inside.goto("/p/default/secrets")
    expect(row.get_by_role("link", name="with-secrets")).to_be_visible()
    axe(inside)
    row.get_by_role("button", name="Delete").click()
    expect(inside.get_by_role("dialog")).to_contain_text("named by with-secrets")
    inside.get_by_role("button", name="Yes").click()
    expect(inside.get_by_text("No secrets yet")).to_be_visible()
    web.daemon.client.tasks.delete("with-secrets")


def test_a_env_file_is_read_as_the_command_line_does(inside: Page, web: Site, tmp_path: Path) -> None:
    inside.goto("/p/default/secrets")
    file = tmp_path / "env"
    file.write_text(LINES, "utf-8")
    read = "async text => (await import(document.querySelector('script[src$=\"secrets.js\"]').src"
    read += ".replace('secrets.js', 'env.js'))).variables(text)"
    assert dict(inside.evaluate(read, LINES)) == dict(secret._of_env_file(file))
    refused = (
        "async text => { try { await (" + read + ")(text) } catch (failure) { return failure.message } }"
    )
    for line in WRONG:
        assert inside.evaluate(refused, f"A=b\n{line}\n") == "line 2 is not K=V on one line", line
    lines = inside.get_by_label("Its lines")
    lines.fill("FIRST=hush\nhush is no line")
    inside.get_by_role("button", name="Set them all").click()
    expect(inside.get_by_role("alert")).to_have_text("line 2 is not K=V on one line")
    lines.fill("# of the day\nFIRST='hush 1'\nexport SECOND=hush")
    inside.get_by_role("button", name="Set them all").click()
    expect(inside.get_by_role("row", name="SECOND")).to_be_visible()
    expect(lines).to_have_value("")
    assert [each.name for each in web.daemon.client.secrets.list()] == ["FIRST", "SECOND"]
    for name in ("FIRST", "SECOND"):
        web.daemon.client.secrets.delete(name)


def test_who_may_only_read_sees_names_and_no_way_to_change_them(open_page: OpenPage, web: Site) -> None:
    key = web.daemon.client.keys.create("reader", access="read")
    web.daemon.client.secrets.set("TOKEN", "hush")
    page = open_page(web)
    log_in(page, Site(web.daemon, web.url, key.token))
    for path in ("secrets", "tasks", "volumes", "webhooks"):
        page.goto(f"/p/default/{path}")
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("main form, main button")).to_have_count(0)
    page.goto("/p/default/secrets")
    expect(page.get_by_role("row", name="TOKEN")).to_be_visible()
    web.daemon.client.secrets.delete("TOKEN")
    web.daemon.client.keys.delete(key.id)


def seen_by_a_run(web: Site, name: str) -> str:
    """Return the hash of the value that a run gets."""
    result = web.daemon.run("sh", "-c", f'printf %s "${name}" | sha256sum', secrets=[name])
    return result.stdout.split()[0]
