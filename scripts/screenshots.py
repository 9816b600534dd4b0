"""Take pictures of every page of the web UI, as it is with light, with dark, and on a phone, into docs/.

It starts a daemon of its own and leaves nothing on the Engine. ``screenshots.py runs`` takes only pages whose
names begin so.
"""

import io
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import packages
import serving
import showcase
from PIL import Image
from playwright.sync_api import FloatRect, Page
from runsd_sdk import RunsClient

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
PAGES = [
    ("runs", "/p/default/runs"),
    ("run", "/p/default/runs/{retried}"),
    ("run-waiting", "/p/default/runs/{waiting}"),
    ("run-problems", "/p/default/runs/{problems}/problems"),
    ("run-results", "/p/default/runs/{python}/results"),
    ("run-metrics", "/p/default/runs/{running}/metrics"),
    ("run-logs", "/p/default/runs/{running}/logs"),
    ("new", "/p/default/new"),
    ("new-again", "/p/default/new?from={python}"),
    ("batch", "/p/default/batches/{fold}"),
    ("tasks", "/p/default/tasks"),
    ("task", "/p/default/tasks/{task}"),
    ("task-versions", "/p/default/tasks/{task}/versions"),
    ("volumes", "/p/default/volumes"),
    ("secrets", "/p/default/secrets"),
    ("webhooks", "/p/default/webhooks"),
    ("webhook", "/p/default/webhooks/{webhook}?limit=8"),
    ("webhook-delivery", "/p/default/webhooks/{webhook}/deliveries/{delivery}"),
    ("usage", "/p/default/usage?by=label&label=team"),
    ("host", "/p/default/host"),
    ("settings", "/p/default/settings"),
    ("audit", "/p/default/audit"),
    ("error", "/p/default/runs?limit=0"),
    ("runs-none-found", "/p/default/runs?text=nothing-is-called-so"),
]
"""What is shown, and where it is; ``{python}`` is the id of what showcase.fill calls so."""
HOST_PAGES = [
    ("host-of-all", "/p/default/host"),
    ("settings-of-host", "/p/default/settings"),
    ("runs-empty", "/p/staging/runs"),
]
"""The same of what an admin of the host sees."""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
COLOURS = 128
MOST_BYTES = 4_000_000
"""All pictures together: a repository keeps each version of them forever."""
TALLEST = 2400


def main() -> None:
    """Fill a daemon, and take the pictures."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    wanted = tuple(sys.argv[1:]) or ("",)
    folder = Path(tempfile.mkdtemp(prefix="runsd-screenshots-"))
    try:
        with (
            serving.served(folder, **showcase.SETTINGS) as daemon,
            RunsClient(daemon.host) as client,
            showcase.receiving() as receiver,
        ):
            shown = showcase.fill(client, receiver)
            for picture in pictures(_address(folder / "runsd.log"), client, shown, wanted):
                print(f"{picture.stat().st_size:8,} {picture.name}", flush=True)
            _end(client)
    finally:
        shutil.rmtree(folder)
    total = sum(picture.stat().st_size for picture in PICTURES.glob("*.png"))
    if total > MOST_BYTES:
        raise packages.CannotDo(f"the pictures have {total:,} bytes together; {MOST_BYTES:,} are the most")


def pictures(url: str, client: RunsClient, shown: dict[str, str], wanted: tuple[str, ...]) -> Iterator[Path]:
    """Take every wanted page in every look; yield the files."""
    PICTURES.mkdir(exist_ok=True)
    key = client.keys.create("screenshots", access="admin").token
    with browser.launched() as program:
        for look, options in LOOKS.items():
            context = program.new_context(base_url=url, locale="en-GB", timezone_id="UTC", **options)
            page = context.new_page()
            page.goto("/login")
            if "login".startswith(wanted):
                yield _taken(page, f"login-{look}")
            _log_in(page, key)
            yield from _each(page, PAGES, look, shown, wanted)
            page.goto(client.login().path)
            page.wait_for_url("**/p/**")
            yield from _each(page, HOST_PAGES, look, shown, wanted)
            context.close()


def _each(
    page: Page, pages: list[tuple[str, str]], look: str, shown: dict[str, str], wanted: tuple[str, ...]
) -> Iterator[Path]:
    for name, path in pages:
        if name.startswith(wanted):
            page.goto(path.format_map(shown))
            yield _taken(page, f"{name}-{look}")


def _log_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/p/**")


def _taken(page: Page, name: str) -> Path:
    """Take the page that is shown, down to its end or to what is enough, in few colours."""
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(500)  # what comes by server-sent events, for which no page is ever idle
    assert page.viewport_size is not None  # noqa: S101
    height = page.evaluate("document.documentElement.scrollHeight")
    clip: FloatRect = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": min(height, TALLEST)}
    picture = page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")
    file = PICTURES / f"{name}.png"
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


def _address(log: Path) -> str:
    """Return where the daemon says that it listens."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    said = next(line["address"] for line in lines if line["event"] == "tcp.listening")
    return f"http://{said}"


def _end(client: RunsClient) -> None:
    """End what goes on, and remove what would stay on the Engine."""
    for run in list(client.iterate(status=["pending", "running"])):
        client.cancel(run.id)
        client.wait(run.id, showcase.ENDED_S)
    for volume in client.volumes.list():
        client.volumes.delete(volume.id)


if __name__ == "__main__":
    main()
