"""What comes to a hook: who vouches for it, which delivery it is, and what of it the run gets. Pure.

Two ways to sign are known: that of Standard Webhooks, which covers the delivery's id and its time too, and
the ``X-Hub-Signature-256`` of GitHub and many others, which covers the body alone.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runsd.errors import Unsigned

TOLERANCE_US: Final = 300 * 1_000_000
"""A signed time may be so far off, as Standard Webhooks advise."""
_PREFIX = "whsec_"
_DELIVERIES: Final = ("Webhook-Id", "X-GitHub-Delivery", "X-Gitlab-Event-UUID", "Idempotency-Key")
_LONGEST_ID = 255
_WORDS = "id|uuid|type|name|time|timestamp|version|identifier|attempt"
# Named are those that the run gets: of a header that nobody has heard of it may be that it is a secret.
_TOLD = re.compile(
    r"content-type|user-agent|idempotency-key|x-request-id|ce-[a-z0-9]+|(?:[a-z0-9]+-)*"
    rf"(?:event-key|(?:event|delivery|topic|hook|webhook)(?:-(?:{_WORDS}))?)"
)
_MOST_TOLD, _LONGEST_TOLD = 32, 1024


@dataclass(frozen=True, slots=True)
class Payload:
    """What a delivery brings its run: the body's bytes, and headers by their names in lower case."""

    body: bytes
    headers: Mapping[str, str]


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, present_us: int) -> None:
    """Raise Unsigned unless whoever knows the secret has signed the delivery. ``headers`` know no case."""
    if "Webhook-Signature" in headers:
        return _verify_standard(secret, headers, body, present_us)
    if "X-Hub-Signature-256" in headers:
        expected = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        return _compare(f"sha256={expected}", [headers["X-Hub-Signature-256"]])
    said = "sign it, with Webhook-Id, Webhook-Timestamp and Webhook-Signature, or with X-Hub-Signature-256"
    raise Unsigned(f"cannot take this delivery: it has no signature; {said}")


def delivery_of(headers: Mapping[str, str]) -> str | None:
    """Return the name that the sender gives a delivery, the same when it makes it again; None for none."""
    named = next((headers[name] for name in _DELIVERIES if headers.get(name)), None)
    if named is None or len(named) <= _LONGEST_ID:
        return named
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that say what a delivery is about, by their names in lower case.

    That is none that proves who sends it; at most 32, and none of more than 1,024 bytes.
    """
    found: dict[str, str] = {}
    for name, value in headers.items():
        raw = value.encode("utf-8", "surrogateescape")
        if _TOLD.fullmatch(name.lower()) and len(raw) <= _LONGEST_TOLD and len(found) < _MOST_TOLD:
            found[name.lower()] = raw.decode("utf-8", "replace")
    return found


def _verify_standard(secret: str, headers: Mapping[str, str], body: bytes, present_us: int) -> None:
    id, time = headers.get("Webhook-Id", ""), headers.get("Webhook-Timestamp", "")
    if not id or not (time.isascii() and time.isdecimal() and len(time) <= 12):
        raise Unsigned("cannot take this delivery: Webhook-Id or Webhook-Timestamp is missing or is none")
    if abs(int(time) * 1_000_000 - present_us) > TOLERANCE_US:
        said = "its Webhook-Timestamp is more than five minutes off; set the clocks, or send it anew"
        raise Unsigned(f"cannot take this delivery: {said}")
    signed = f"{id}.{time}.".encode("utf-8", "surrogateescape") + body
    expected = b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    _compare(f"v1,{expected}", headers["Webhook-Signature"].split(" "))


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        # Nothing behind the prefix is no key: with an empty one anybody could sign.
        return b64decode(secret.removeprefix(_PREFIX), validate=True) or secret.encode()
    except ValueError:
        return secret.encode()


def _compare(expected: str, given: list[str]) -> None:
    """Take as long for a signature that is nearly right as for any other."""
    found = [hmac.compare_digest(expected.encode(), one.encode("utf-8", "surrogateescape")) for one in given]
    if not any(found):
        raise Unsigned("cannot take this delivery: its signature is not that of the hook's secret")
