"""API keys as text: ``rk_``, the key's public number, and 160 bits that nobody guesses."""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

_PREFIX: Final = "rk_"
_SECRET_BYTES = 20
_TOKEN: Final = re.compile(r"rk_([0-9a-hjkmnp-tv-z]{26})[a-z2-7]{32}", re.ASCII)


def new(key_id: str) -> str:
    """Return a secret token for the key of that id, ``key_…``."""
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().lower()
    return f"{_PREFIX}{key_id.removeprefix('key_')}{secret}"


def key_id(token: str) -> str | None:
    """Return the id of the key that a token claims to be, or None for what is no token."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else f"key_{found[1]}"


def digest(token: str) -> bytes:
    """Return what is kept of a token: a plain hash will do, since its 160 bits are random.

    Of anything else that was sent as one too: bytes of a header that are no text come as lone surrogates.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def matches(token: str, kept: bytes) -> bool:
    """Say whether a token is the one of which the digest is kept, in a time that does not tell."""
    return hmac.compare_digest(digest(token), kept)
