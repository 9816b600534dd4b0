"""Signatures of deliveries: the examples of those who made up how to sign, and what is wrong with others."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from runsd.errors import Unsigned
from runsd.hook import TOLERANCE_US, delivery_of, told, verify

# https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
GITHUB = (
    "It's a Secret to Everybody",
    b"Hello, World!",
    "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
)
SECOND = 1_000_000


@dataclass(frozen=True)
class Example:
    """The example of https://docs.svix.com/receiving/verifying-payloads/how-manual."""

    secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body: bytes = b'{"test": 2432232314}'
    at_us: int = 1614265330 * SECOND
    headers: dict[str, str] = field(
        default_factory=lambda: {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
    )


EXAMPLE = Example()


def check(
    *,
    secret: str = EXAMPLE.secret,
    body: bytes = EXAMPLE.body,
    at_us: int = EXAMPLE.at_us,
    **headers: str,
) -> None:
    """Verify the example, with something changed."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    verify(secret, CIMultiDict({**EXAMPLE.headers, **changed}), body, present_us=at_us)


def test_what_is_signed_by_the_standard_is_taken_within_five_minutes() -> None:
    check()
    check(at_us=EXAMPLE.at_us + TOLERANCE_US)
    check(at_us=EXAMPLE.at_us - TOLERANCE_US)
    check(webhook_signature=f"v1a,xyz v1,AAAA {EXAMPLE.headers['webhook-signature']}")


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b'{"test": 2432232315}'},
        {"secret": "whsec_AAAA"},
        {"at_us": EXAMPLE.at_us + TOLERANCE_US + 1},
        {"at_us": EXAMPLE.at_us - TOLERANCE_US - 1},
        {"webhook_id": "msg_another"},
        {"webhook_id": ""},
        {"webhook_timestamp": "1614265331"},
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": "9" * 5000},
        {"webhook_timestamp": "\u0661"},
        {"webhook_signature": ""},
        {"webhook_signature": EXAMPLE.headers["webhook-signature"].removeprefix("v1,")},
        {"webhook_signature": "v2" + EXAMPLE.headers["webhook-signature"][2:]},
        {"webhook_signature": "v1,\udcff"},
    ],
)
def test_what_is_changed_late_or_early_is_not(changed: dict[str, str]) -> None:
    with pytest.raises(Unsigned):
        check(**changed)  # type: ignore[arg-type]


def test_a_secret_that_is_only_its_prefix_is_no_empty_key() -> None:
    signed = (
        f"{EXAMPLE.headers['webhook-id']}.{EXAMPLE.headers['webhook-timestamp']}.".encode() + EXAMPLE.body
    )
    forged = b64encode(hmac.digest(b"", signed, hashlib.sha256)).decode()
    with pytest.raises(Unsigned):
        check(secret="whsec_", webhook_signature=f"v1,{forged}")


def test_a_signature_of_the_body_alone_is_taken_where_there_is_no_other() -> None:
    secret, body, signature = GITHUB
    verify(secret, CIMultiDict({"X-Hub-Signature-256": f"sha256={signature}"}), body, present_us=0)
    for wrong in (f"sha1={signature}", f"sha256={signature[:-1]}0", "", "sha256="):
        with pytest.raises(Unsigned):
            verify(secret, CIMultiDict({"x-hub-signature-256": wrong}), body, present_us=0)
    with pytest.raises(Unsigned, match="no signature"):
        verify(secret, CIMultiDict(), body, present_us=0)


@given(st.dictionaries(st.sampled_from(["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"]), st.text()))
def test_nothing_that_is_made_up_is_taken(headers: dict[str, str]) -> None:
    with pytest.raises(Unsigned):
        verify("s", CIMultiDict(headers), b"", present_us=0)


def test_a_delivery_has_the_name_that_its_sender_gives_it() -> None:
    assert delivery_of(CIMultiDict()) is None
    assert delivery_of(CIMultiDict({"x-github-delivery": "g", "Idempotency-Key": "i"})) == "g"
    assert delivery_of(CIMultiDict({"Webhook-Id": "", "idempotency-key": "i"})) == "i"
    long = delivery_of(CIMultiDict({"Webhook-Id": "x" * 5000}))
    assert long is not None and len(long) == 64


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type", "User-Agent", "X-GitHub-Event", "X-GitHub-Delivery", "X-GitHub-Hook-ID",
        "X-Gitlab-Event", "X-Gitlab-Event-UUID", "X-Gitlab-Webhook-UUID", "X-Event-Key", "X-Gitea-Event-Type",
        "X-Shopify-Topic", "Linear-Delivery", "Webhook-Id", "Webhook-Timestamp", "Ce-Type", "Idempotency-Key",
    ],
)  # fmt: skip
def test_headers_that_name_what_came_are_told(name: str) -> None:
    assert told(CIMultiDict({name: "value"})) == {name.lower(): "value"}


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "Cookie", "X-Gitlab-Token", "X-Hub-Signature",
        "X-Hub-Signature-256", "Webhook-Signature", "X-Hook-Secret", "X-Hook-Signature", "X-Webhook-Key",
        "X-Event-Token", "X-Webhook-Auth", "X-Api-Key", "X-Forwarded-For", "Host", "X-Twilio-Signature",
    ],
)  # fmt: skip
def test_headers_that_may_prove_who_sends_are_not_told(name: str) -> None:
    assert told(CIMultiDict({name: "value"})) == {}


@given(st.dictionaries(st.from_regex(r"[a-z-]{1,9}-event", fullmatch=True), st.text(max_size=2000)))
def test_what_is_told_is_bounded_and_is_text(headers: dict[str, str]) -> None:
    found = told(CIMultiDict({k: v.encode("utf-8", "ignore").decode() for k, v in headers.items()}))
    assert len(found) <= 32
    assert all(len(value.encode()) <= 1024 for value in found.values())
