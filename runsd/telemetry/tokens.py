"""The tokens by which a run tells who it is: made from a secret, and stored nowhere.

A token is good for one thing: to send telemetry of one attempt, while that lives. Whoever may inspect the
container may read it.
"""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from runsd.errors import NotNow

_FILE = "telemetry.key"
_KEY_BYTES = 32
_TOKEN = re.compile(r"(run_[0-9a-z]{26})\.([1-9][0-9]{0,8})\.([0-9a-f]{64})", re.ASCII)


class Tokens:
    """Makes tokens and reads them, with the secret of this installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def kept_in(cls, data_dir: Path) -> "Tokens":
        """Use the secret in the data directory, made there the first time (mode 0600). Raises NotNow."""
        path = data_dir / _FILE
        try:
            key = path.read_bytes() if path.exists() else _made(path)
        except OSError as failure:
            raise NotNow(f"cannot keep the secret of telemetry in {path}: {failure.strerror}") from failure
        if len(key) != _KEY_BYTES:
            raise NotNow(
                f"cannot use {path}: it is not {_KEY_BYTES} bytes long; remove it, and it is made anew"
            )
        return cls(key)

    def token(self, run_id: str, attempt: int) -> str:
        """Return the token of an attempt, the same after a restart."""
        return f"{run_id}.{attempt}.{self._sign(run_id, attempt)}"

    def attempt_of(self, token: str) -> tuple[str, int] | None:
        """Return run and attempt of a token that was made here; None for all others."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        run_id, attempt = found[1], int(found[2])
        return (run_id, attempt) if hmac.compare_digest(found[3], self._sign(run_id, attempt)) else None

    def _sign(self, run_id: str, attempt: int) -> str:
        return hmac.new(self._key, f"telemetry {run_id} {attempt}".encode(), hashlib.sha256).hexdigest()


def _made(path: Path) -> bytes:
    """Write a new secret: whole, on the disk and nobody else's before it has its name."""
    key = secrets.token_bytes(_KEY_BYTES)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    return key
