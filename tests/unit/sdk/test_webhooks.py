"""What may be registered as a webhook, said before anything is sent."""

import json
from typing import Any

import pytest
from runsd_sdk import InvalidSpec, calls
from runsd_sdk.calls import Call


def body(call: Call[Any]) -> Any:
    assert isinstance(call.body, bytes)
    return json.loads(call.body)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "at least 1"),
        ("example.com/hook", "a whole URL"),
        ("ftp://example.com/", "a whole URL"),
        ("https://", "a whole URL"),
        ("https:///hook", "a whole URL"),
        ("https://example.com:port/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://user:password@example.com/", "leave user and password out"),
        ("https://example.com/#part", "follows '#'"),
        ("https://example.com/a b", "without spaces"),
        ("https://example.com\\@10.0.0.1/", "backslashes"),
        ("https://example.com/\r\nHost: other", "control characters"),
        (f"https://example.com/{'x' * 2048}", "at most 2048"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidSpec, match=rf"url: .*{said}"):
        calls.create_webhook(url, events=["*"])


@pytest.mark.parametrize("event", ["run.finish", "run.pull_progress", "run.running:failed", "webhook.test"])
def test_an_event_that_is_none_is_refused_with_those_that_are(event: str) -> None:
    with pytest.raises(InvalidSpec, match=r"events\.0: .*run\.finished:timeout.*'\*'"):
        calls.create_webhook("https://example.com", events=[event])


def test_some_event_must_be_named_and_each_counts_once() -> None:
    with pytest.raises(InvalidSpec, match="events"):
        calls.create_webhook("https://example.com", events=[])
    sent = body(calls.create_webhook("https://[2001:db8::1]:8443/ä?b=c", events=["*", "*"]))
    assert (sent["events"], sent["url"]) == (["*"], "https://[2001:db8::1]:8443/ä?b=c")


def test_a_change_sends_what_is_given_and_something_must_be() -> None:
    assert body(calls.update_webhook("wh_1", enabled=False, description="")) == {
        "enabled": False,
        "description": "",
    }
    with pytest.raises(InvalidSpec, match="nothing to change"):
        calls.update_webhook("wh_1")
    with pytest.raises(InvalidSpec, match="events"):
        calls.update_webhook("wh_1", events=[])
