"""The signature of webhooks, as others compute it, and everything that is not it."""

import base64
import json
import time
from typing import Any

import pytest
from runsd_sdk import InvalidSignature, RunsClient, unwrap
from runsd_sdk.signature import signed_headers, verify

# The example of Standard Webhooks' own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another").decode()
ID, SENT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
EVENT = {
    "type": "webhook.test",
    "timestamp": "2026-11-22T01:09:25.928000Z",
    "data": {"project": "default", "details": {"webhookId": "wh_1"}},
}


def test_it_is_what_others_compute() -> None:
    headers = signed_headers([SECRET], ID, SENT, BODY)
    assert headers == {"webhook-id": ID, "webhook-timestamp": str(SENT), "webhook-signature": SIGNATURE}
    assert verify(BODY, headers, secret=SECRET, now=SENT) == ID
    assert verify(BODY, headers, secret=SECRET.removeprefix("whsec_"), now=SENT) == ID


def test_one_right_signature_of_several_is_enough_and_names_of_headers_have_no_case() -> None:
    headers = signed_headers([OTHER, SECRET], ID, SENT, BODY)
    headers["webhook-signature"] = "v1a,xyz v2,äöü " + headers["webhook-signature"]
    shouted = {name.upper(): value for name, value in headers.items()}
    for secret in (SECRET, OTHER):
        assert verify(BODY, shouted, secret=secret, now=SENT) == ID


@pytest.mark.parametrize(
    ("changed", "body", "secret", "now", "said"),
    [
        ({}, BODY + b" ", SECRET, SENT, "no signature is right"),
        ({}, BODY, OTHER, SENT, "no signature is right"),
        ({"webhook-id": "msg_other"}, BODY, SECRET, SENT, "no signature is right"),
        ({"webhook-timestamp": str(SENT + 1)}, BODY, SECRET, SENT, "no signature is right"),
        ({"webhook-timestamp": "soon"}, BODY, SECRET, SENT, "no signature is right"),
        ({"webhook-signature": SIGNATURE.removeprefix("v1,")}, BODY, SECRET, SENT, "no signature is right"),
        ({"webhook-signature": SIGNATURE.replace("v1,", "v2,")}, BODY, SECRET, SENT, "no signature is right"),
        ({"webhook-signature": ""}, BODY, SECRET, SENT, "no webhook-signature"),
        ({}, BODY, SECRET, SENT + 301, "300 s ago or ahead"),
        ({}, BODY, SECRET, SENT - 301, "300 s ago or ahead"),
        ({}, BODY, "whsec_***", SENT, "no whsec_"),
        ({}, BODY, "", SENT, "no whsec_"),
    ],
)
def test_anything_else_is_refused(
    changed: dict[str, str], body: bytes, secret: str, now: int, said: str
) -> None:
    headers = {**signed_headers([SECRET], ID, SENT, BODY), **changed}
    with pytest.raises(InvalidSignature, match=said):
        verify(body, headers, secret=secret, now=now)


def test_a_timestamp_that_is_signed_and_no_number_is_refused() -> None:
    headers = signed_headers([SECRET], ID, SENT, BODY)
    assert verify(BODY, headers, secret=SECRET, now=SENT + 300) == ID
    with pytest.raises(InvalidSignature, match="300 s"):
        verify(BODY, headers, secret=SECRET)


@pytest.mark.parametrize("body", [json.dumps(EVENT), json.dumps(EVENT).encode()])
def test_unwrap_returns_the_event(body: Any) -> None:
    exact = body if isinstance(body, bytes) else body.encode()
    headers = signed_headers([SECRET], ID, int(time.time()), exact)
    with RunsClient("unix:///nobody") as client:
        event = client.webhooks.unwrap(body, headers, secret=SECRET)
    assert event == unwrap(body, headers, secret=SECRET)
    assert (event.type, event.data.details) == ("webhook.test", {"webhookId": "wh_1"})


def test_what_is_signed_and_yet_no_event_is_refused() -> None:
    with pytest.raises(InvalidSignature, match="something else"):
        unwrap(BODY, signed_headers([SECRET], ID, int(time.time()), BODY), secret=SECRET)
