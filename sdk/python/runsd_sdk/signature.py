"""The signature of webhooks, as Standard Webhooks 1.0.0 has it: HMAC-SHA256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from runsd_sdk.errors import InvalidSignature

PREFIX = "whsec_"
TOLERANCE_S = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def signed_headers(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message; every secret signs, so that receivers may have either."""
    signatures = " ".join(_signature(secret, id, str(timestamp), body) for secret in secrets)
    return {ID: id, TIMESTAMP: str(timestamp), SIGNATURE: signatures}


def verify(
    body: bytes,
    headers: Mapping[str, str],
    *,
    secret: str,
    tolerance_seconds: float = TOLERANCE_S,
    now: float | None = None,
) -> str:
    """Return the id of a message that was signed with the secret just now. Raises InvalidSignature."""
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not given.get(name)]
    if missing:
        raise InvalidSignature(f"cannot verify this message: it has no {' and no '.join(missing)} header")
    id, timestamp = given[ID], given[TIMESTAMP]
    expected = _signature(secret, id, timestamp, body).encode()
    # All are compared, each in a time that does not tell how much of it is right.
    matches = [hmac.compare_digest(expected, one.encode()) for one in given[SIGNATURE].split()]
    if not any(matches):
        raise InvalidSignature(
            "cannot verify this message: no signature is right; pass the exact bytes of the body, and the"
            " secret of the webhook that sent it"
        )
    if not _recent(timestamp, time.time() if now is None else now, tolerance_seconds):
        raise InvalidSignature(
            f"cannot verify this message: it was sent more than {tolerance_seconds:g} s ago or ahead; it is"
            " a repetition by somebody else, or a clock is wrong"
        )
    return id


def _signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise InvalidSignature(
            f"cannot verify with this secret: it is no {PREFIX}… as the daemon has shown it when the"
            " webhook was made"
        )
    return key


def _recent(timestamp: str, now: float, tolerance_s: float) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        return False
    return abs(now - int(timestamp)) <= tolerance_s
