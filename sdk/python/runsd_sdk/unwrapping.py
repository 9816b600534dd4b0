"""How the receiver of a webhook reads it."""

from collections.abc import Mapping

from pydantic import ValidationError

from runsd_sdk.errors import InvalidSignature
from runsd_sdk.signature import verify
from runsd_sdk.webhook import WebhookEvent


def unwrap(body: bytes | str, headers: Mapping[str, str], *, secret: str) -> WebhookEvent:
    """Return what a request has brought, if it was signed with the secret in the last five minutes.

    ``body`` is the request's own, byte for byte. Raises InvalidSignature.
    """
    exact = body.encode() if isinstance(body, str) else body
    verify(exact, headers, secret=secret)
    try:
        return WebhookEvent.model_validate_json(exact)
    except ValidationError as error:
        raise InvalidSignature(
            "cannot read this message: it is signed, but by something else than runsd, or a newer one"
        ) from error
