"""The log of a run in a browser: shown as a terminal does, searched, followed, and never whole in memory."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from runsd_sdk import RunHandle

from runsd.web.terminal import bare
from tests.daemon.harness import GATE
from tests.web.axe import axe
from tests.web.conftest import OpenPage
from tests.web.site import Site, log_in
from tests.web.watch import Watch

MOST_ROWS = 300
FLOOD_BYTES = 50_000_000
HOSTILE = r"""
printf 'plain\n\033[1;31mred\033[0m \033[38;2;0;0;250;4mblue\033[24m\033[0m \033[7minverse\033[0m\n'
printf '\033[32mgreen\nstays\033[0m\n'
for n in 10 50 100; do printf '\rprogress %d%%' $n; done; echo
printf '<script>document.title="ran"</script><img src=x onerror=alert(1)>\033]0;title\007\033[2J\n'
printf 'nul \000 bad \377 turned \342\200\256 here\n'
head -c 1048576 /dev/zero | tr '\0' x; echo
sleep 0.2; echo to stderr >&2; sleep 0.2
seq 1 1000
"""


@pytest.fixture(scope="module")
def hostile(web: Site) -> str:
    handle = web.daemon.submit("sh", "-c", HOSTILE)
    assert handle.wait(60).exit_code == 0
    return handle.id


def opened(page: Page, run_id: str, more: str = "") -> Locator:
    """Open the log of a run; return the rows that exist."""
    page.goto(f"/p/default/runs/{run_id}/logs{more}")
    rows = page.locator("#log-box .log-row")
    expect(rows.first).to_be_visible()
    return rows


def line(page: Page, number: int) -> Locator:
    return page.locator(f'.log-row[data-line="{number}"] .text')


def text_of(site: Site, run_id: str, **query: str) -> list[str]:
    """Return the lines of a log as the API gives its bytes."""
    answer = site.daemon.http.get(f"/v1/runs/{run_id}/logs", params=query, headers={"Accept": "text/plain"})
    return answer.content.decode("utf-8", "replace").split("\n")


def seen(page: Page) -> dict[int, str]:
    """Return the lines that are in the page."""
    rows: list[Any] = page.locator(".log-row").evaluate_all(
        """rows => rows.filter(row => !('missing' in row.dataset))
            .map(row => [Number(row.dataset.line), row.querySelector('.text').textContent])"""
    )
    return {int(number): str(text) for number, text in rows}


def test_output_is_shown_as_a_terminal_shows_it_and_can_do_nothing(
    inside: Page, web: Site, hostile: str
) -> None:
    opened(inside, hostile)
    expect(line(inside, 1009)).to_have_text("1000")  # it opens at the end
    inside.locator("#log-box").press("Home")
    shown = ["plain", "red blue inverse", "green", "stays", "progress 100%"]
    for number, text in enumerate(shown, 1):
        expect(line(inside, number)).to_have_text(text)
    red, blue = line(inside, 2).locator("span").nth(0), line(inside, 2).locator("span", has_text="blue")
    expect(red).to_have_class("b")
    assert red.evaluate("e => e.style.color") == "rgb(179, 38, 30)"
    assert blue.evaluate("e => [e.className, e.style.color]") == ["u", "rgb(0, 0, 250)"]
    assert line(inside, 4).locator("span").first.evaluate("e => e.style.color") == "rgb(21, 112, 59)"
    expect(line(inside, 6)).to_have_text('<script>document.title="ran"</script><img src=x onerror=alert(1)>')
    expect(line(inside, 7)).to_have_text("nul ^@ bad � turned <U+202E> here")
    expect(line(inside, 8)).to_contain_text("x ⋯ 1,032,192 bytes of this line are in the download alone ⋯ x")
    expect(inside.locator('.log-row[data-line="9"].is-stderr .s')).to_have_text("err")
    assert "ran" not in inside.title()

    inside.get_by_role("button", name="Wrap").click()
    assert inside.locator("#log-box").evaluate("box => box.scrollWidth <= box.clientWidth")
    inside.get_by_role("button", name="Times").click()
    expect(inside.locator(".log-row time").first).to_be_visible()
    axe(inside)
    inside.emulate_media(color_scheme="dark")
    inside.set_viewport_size({"width": 390, "height": 800})
    axe(inside)
    inside.get_by_label("Stream").select_option("stderr")
    expect(line(inside, 1)).to_have_text("to stderr")
    expect(inside.locator("#log-state")).to_have_text("1 line")
    assert inside.url.endswith("/logs?stream=stderr")
    with inside.expect_download() as download:
        inside.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == b"to stderr\n"


def test_a_text_is_found_where_it_is_not_loaded_and_a_line_has_an_address(
    inside: Page, web: Site, hostile: str
) -> None:
    opened(inside, hostile)
    inside.keyboard.press("/")
    inside.keyboard.type("99")
    found, match = inside.locator("#log-found"), inside.locator(".log-row.is-match .text")
    expect(found).to_have_text("1 of 19")
    expect(match).to_have_text("99")
    inside.keyboard.press("Enter")
    expect(match).to_have_text("199")
    inside.keyboard.press("Shift+Enter")
    inside.keyboard.press("Shift+Enter")
    expect(found).to_have_text("19 of 19")
    expect(match).to_have_text("999")
    inside.locator("#log-box").focus()
    inside.keyboard.press("n")
    expect(match).to_have_text("99")
    inside.keyboard.press("Shift+N")
    expect(match).to_have_text("999")
    assert inside.evaluate("CSS.highlights.get('found').size") > 5

    rest = "printf 'nished\\nunfinished'; until [ -e /end ]; do sleep 0.02; done; echo; seq 1 9"
    handle = web.daemon.submit("sh", "-c", f"printf 'one unfi'; {GATE}{rest}")
    opened(inside, handle.id)
    inside.keyboard.press("/")
    inside.keyboard.type("finished")
    expect(found).to_have_text("not found")
    web.daemon.open_gate(handle.id)
    expect(found).to_have_text("2")
    slow: list[Route] = []

    def hold(route: Route) -> None:
        slow.append(route)

    inside.route(re.compile(r"/logs/matches\?.*at=9\d+"), hold)
    inside.keyboard.press("Shift+Enter")
    with inside.expect_response(
        re.compile(r"/logs/matches\?.*from=")
    ):  # what is counted meanwhile changes nothing
        web.daemon.open_gate(handle.id, name="end")
    slow.pop().continue_()
    expect(found).to_have_text("2 of 2")
    expect(match).to_have_text("unfinished")

    opened(inside, hostile, "#L500")
    expect(inside.locator(".is-chosen .text")).to_have_text("491")
    expect(line(inside, 500)).to_be_in_viewport()
    inside.locator("a.n", has_text="504").click(modifiers=["Shift"])
    expect(inside.locator(".is-chosen")).to_have_count(5)
    assert inside.url.endswith("#L500-L504")
    inside.context.grant_permissions(["clipboard-read", "clipboard-write"])
    inside.get_by_role("button", name="Copy").click()
    expect(inside.locator("#toasts")).to_contain_text("copied")
    assert inside.evaluate("navigator.clipboard.readText()") == "491\n492\n493\n494\n495\n"
    inside.get_by_role("button", name="To the end").click()
    expect(line(inside, 1009)).to_be_in_viewport()


def test_a_log_of_50_mb_is_followed_while_it_grows_and_little_of_it_is_kept(inside: Page, web: Site) -> None:
    flood = f"yes 'a line of this flood' | head -c {FLOOD_BYTES}; echo"
    last = "until [ -e /end ]; do sleep 0.02; done; seq 1 1000; echo last"
    handle = web.daemon.submit("sh", "-c", f"echo first; {GATE}seq 1 2000; {flood}; {last}")
    rows = opened(inside, handle.id)
    expect(line(inside, 1)).to_have_text("first")
    web.daemon.open_gate(handle.id)
    expect(rows.last.locator(".text")).to_have_text(re.compile("^a line"))
    assert rows.count() < MOST_ROWS
    inside.locator("#log-box").hover()
    inside.mouse.wheel(0, -4000)  # who scrolls up is left alone
    expect(inside.get_by_role("button", name="To the end")).to_be_visible()
    web.daemon.open_gate(handle.id, name="end")
    assert handle.wait(60).exit_code == 0
    text = text_of(web, handle.id)
    expect(inside.locator("#log-state")).to_have_text(f"{len(text) - 1:,} lines", timeout=60_000)
    assert max(seen(inside)) < len(text) - 900
    inside.get_by_role("button", name="To the end").click()
    expect(rows.last.locator(".text")).to_have_text("last")
    assert rows.count() < MOST_ROWS
    assert inside.evaluate("performance.memory.usedJSHeapSize") < 60e6
    for part in (0.0, 0.3, 0.7, 1.0):
        inside.locator("#log-box").evaluate(
            "(box, part) => { box.scrollTop = part * (box.scrollHeight - box.clientHeight) }", part
        )
        expected = 1 + int(part * (len(text) - 2))
        expect(inside.locator(f'.log-row[data-line="{expected}"]:not([data-missing])')).to_be_attached()
        shown = seen(inside)
        assert {number: text[number - 1] for number in shown} == shown
        assert rows.count() < MOST_ROWS


def test_a_line_that_is_drawn_again_stays_one_line_while_it_is_watched_and_when_it_is_copied(
    inside: Page, web: Site
) -> None:
    end = "until [ -e /end ]; do sleep 0.02; done; "
    script = f"printf 'first\\n 10%%'; {GATE}printf '\\r 55%%'; {end}printf '\\r\\033[32m100%%\\033[0m\\n'"
    handle = web.daemon.submit("sh", "-c", script)
    opened(inside, handle.id)
    expect(line(inside, 2)).to_have_text(" 10%")
    web.daemon.open_gate(handle.id)
    expect(line(inside, 2)).to_have_text(" 55%")
    web.daemon.open_gate(handle.id, name="end")
    expect(line(inside, 2)).to_have_text("100%")
    expect(inside.locator("#log-state")).to_have_text("2 lines")
    inside.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for chosen, text in (("", "first\n100%\n"), ("#L2", "100%\n")):
        inside.evaluate("chosen => { location.hash = chosen }", chosen)
        said = "The chosen lines are copied." if chosen else "The log is copied."
        inside.get_by_role("button", name="Copy").click()
        expect(inside.locator("#toasts")).to_contain_text(said)
        assert inside.evaluate("navigator.clipboard.readText()") == text


def test_1000_lines_a_second_leave_the_page_quick(inside: Page, web: Site) -> None:
    counting = "n=0; while [ ! -e /gate ]; do seq $n $((n + 99)); n=$((n + 100)); sleep 0.1; done"
    handle = web.daemon.submit("sh", "-c", counting)
    rows = opened(inside, handle.id)
    inside.evaluate(
        """() => {
            window.tasks = [0];
            const note = list => tasks.push(...list.getEntries().map(task => task.duration));
            new PerformanceObserver(note).observe({ entryTypes: ['longtask'] });
        }"""
    )
    expect(rows.last).to_have_attribute("data-line", re.compile(r"^([3-9]|\d\d)\d{3}$"))
    inside.get_by_role("button", name="Times").click()
    expect(inside.get_by_role("button", name="Times")).to_have_attribute("aria-pressed", "true")
    inside.locator("#log-box").hover()
    inside.mouse.wheel(0, -2000)
    expect(inside.get_by_role("button", name="To the end")).to_be_visible()
    inside.get_by_role("button", name="To the end").click()
    expect(inside.get_by_role("button", name="To the end")).to_be_hidden()
    assert rows.count() < MOST_ROWS
    assert inside.evaluate("Math.max(...tasks)") < 3000
    web.daemon.open_gate(handle.id)
    handle.wait(60)


def test_a_log_goes_on_exactly_when_the_daemon_was_killed_and_started_again(
    fixed: Site, open_page: OpenPage, watch: Watch
) -> None:
    watch.expect(r"Failed to load resource|ERR_|\[object Event\]")
    page = open_page(fixed)
    log_in(page, fixed)
    counting = (
        f"seq 1 400; {GATE}seq 401 900; until [ -e /end ]; do sleep 0.02; done; seq 901 1000; printf end"
    )
    handle: RunHandle = fixed.daemon.submit("sh", "-c", counting)
    opened(page, handle.id)
    expect(line(page, 400)).to_have_text("400")
    fixed.daemon.kill9()
    expect(page.locator("#log-lost")).to_contain_text("The connection is lost")
    fixed.daemon.open_gate(handle.id)
    fixed.daemon.start()
    expect(page.locator("#log-lost")).to_be_hidden()
    expect(line(page, 900)).to_have_text("900")
    fixed.daemon.open_gate(handle.id, name="end")
    expect(line(page, 1001)).to_have_text("end")
    expect(page.locator("#log-state")).to_have_text("1,001 lines")
    everything: dict[int, str] = {}
    page.locator("#log-box").press("Home")
    expect(line(page, 1)).to_have_text("1")
    while len(everything) < 1001:
        known = len(everything)
        everything |= seen(page)
        page.locator("#log-box").evaluate("box => { box.scrollTop += box.clientHeight }")
        expect(line(page, min(1001, max(everything) + 1))).not_to_be_empty()
        assert len(everything) > known
    assert list(everything.values()) == text_of(fixed, handle.id)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("plain", [["plain", {}]]),
        ("a\x1b[1mb\x1b[22mc", [["a", {}], ["b", {"bold": True}], ["c", {}]]),
        ("\x1b[31;44mx\x1b[39my", [["x", {"front": 1, "back": 4}], ["y", {"back": 4}]]),
        ("\x1b[95mx\x1b[102my", [["x", {"front": 13}], ["y", {"front": 13, "back": 10}]]),
        ("\x1b[38;5;208mx\x1b[38:2:1:2:3my", [["x", {"front": 208}], ["y", {"front": [1, 2, 3]}]]),
        ("\x1b[38;5mx\x1b[38;9;1my", [["x", {"front": 0}], ["y", {"front": 0, "bold": True}]]),
        ("\x1b[7;4mx\x1b[my", [["x", {"inverse": True, "underline": True}], ["y", {}]]),
        ("1%\r2%\r3%", [["3%", {}]]),
        ("old\rnew\r", [["new", {}]]),
        ("kept\r\x1b[K", [["kept", {}]]),
        ("\x1b[32mold\rnew", [["new", {"front": 2}]]),
        ("\x1b[2J\x1b[10;5Hx\x1b]8;;http://a\x1b\\y\x1b]0;t\x07z\x1b(B\x1b=!\x9b1mb", None),
        ("cut \x1b[3", [["cut ", {}]]),
        ("cut \x1b", [["cut ", {}]]),
    ],
)
def test_escapes_are_colours_or_nothing(inside: Page, text: str, spans: Any) -> None:
    found, left = inside.evaluate(
        """async text => {
            const sheet = document.querySelector('link[rel=stylesheet]').getAttribute('href');
            const { parse, bare } = await import(sheet.replace('style.css', 'ansi.js'));
            return [parse(text).spans.map(span => [span.text, span.look]), bare(text)];
        }""",
        text,
    )
    assert "".join(part for part, _ in found) == left == bare(text)
    if spans is None:
        assert "".join(part for part, _ in found) == "xyz!b"
        assert found[-1] == ["b", {"bold": True}]
    else:
        assert found == spans
