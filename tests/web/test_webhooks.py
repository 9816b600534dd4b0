"""Outgoing webhooks in a browser: made, tried, seen to fail, sent again."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.daemon.harness import ENDED_S
from tests.web.axe import axe
from tests.web.conftest import OpenPage, ServeWeb
from tests.web.site import Site, log_in
from tests.webhooks.receiver import Receiver, receiving, says

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e'


@pytest.fixture
def allowing(serve_web: ServeWeb) -> Iterator[Site]:
    """A daemon that may send to loopback."""
    with serve_web(RUNSD_WEBHOOKS__ALLOW="127.0.0.1") as site:
        yield site


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_webhook_is_made_tried_sent_again_and_deleted(
    allowing: Site, receiver: Receiver, open_page: OpenPage
) -> None:
    page = open_page(allowing)
    log_in(page, allowing)
    page.goto("/p/default/webhooks")
    page.get_by_label("Address").fill(f"{receiver.url}?<b>")
    page.get_by_label("Description").fill("<script>alert(1)</script>")
    page.get_by_label("run.submitted").check()
    axe(page)
    page.get_by_role("button", name="Create webhook").click()
    secret = told(page, "The webhook's secret")
    page.get_by_role("link", name=receiver.url).click()
    assert secret not in page.content()
    page.get_by_role("button", name="Send a test").click()
    deliveries = page.locator("tbody tr")
    expect(deliveries).to_have_text(re.compile("delivered.*webhook.test", re.DOTALL))
    assert receiver.next().opened(secret).type == "webhook.test"

    receiver.acts.append(says(418))
    page.get_by_role("button", name="Send a test").click()
    expect(deliveries.first).to_have_text(re.compile("failed.*418", re.DOTALL))
    receiver.next()
    deliveries.first.get_by_role("button").click()
    expect(deliveries.first).to_have_text(re.compile("delivered"))
    again = receiver.next()
    axe(page)
    deliveries.first.get_by_role("link", name="webhook.test").click()
    expect(page.get_by_text(again.id)).to_be_visible()
    expect(page.get_by_role("row")).to_have_text([re.compile("Answer"), re.compile("418"), re.compile("204")])
    expect(page.get_by_label("The body that is sent")).to_contain_text('"type": "webhook.test"')
    axe(page)
    page.go_back()

    allowing.daemon.submit("true", name=HOSTILE).wait(ENDED_S)
    expect(deliveries).to_have_count(4)  # a submitted run, and its end
    expect(deliveries.filter(has_text="delivered")).to_have_count(4)
    page.get_by_role("link", name="run.finished").click()
    expect(page.get_by_label("The body that is sent")).to_contain_text(
        json.dumps(HOSTILE, ensure_ascii=False)
    )
    expect(page.locator("img, main script")).to_have_count(0)
    expect(page.locator("nav a[aria-current]")).to_have_text("Webhooks")
    page.go_back()

    page.get_by_role("button", name="Change the secret").click()
    page.get_by_role("button", name="Yes").click()
    changed = told(page, "The webhook's new secret")
    assert changed != secret
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    page.get_by_text("Change or delete").click()
    page.get_by_label("Description").fill("")
    page.get_by_role("checkbox", name="run.submitted").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("<script>")).to_be_hidden()
    (webhook,) = allowing.daemon.client.webhooks.list()
    assert (webhook.description, webhook.events, webhook.enabled) == ("", ["run.finished"], False)
    page.get_by_text("Change or delete").click()
    page.get_by_role("button", name="Delete the webhook").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()


def told(page: Page, title: str) -> str:
    """Return the secret that a dialog tells, and close it."""
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog).to_be_visible()
    secret = dialog.get_by_label("Secret").input_value()
    assert secret.startswith("whsec_")
    dialog.get_by_role("button", name="I have it").click()
    expect(dialog).to_be_hidden()
    return secret
