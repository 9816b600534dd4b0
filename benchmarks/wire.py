"""HTTP to the daemon's socket with next to no cost of its own, where it is the daemon that is measured."""

import http.client
import json
import socket
import uuid
from collections.abc import Container, Iterator, Sequence
from typing import Any

from runsd_sdk import fields

ANSWER_S = 60.0


class Wire(http.client.HTTPConnection):
    """One connection that is kept."""

    def __init__(self, host: str) -> None:
        super().__init__("runsd", timeout=ANSWER_S)
        self._path = host.removeprefix("unix://")

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S)
        self.sock.connect(self._path)

    def post(self, path: str, body: bytes) -> bytes:
        """Create or change something, as the SDK does: with a key that makes a repetition harmless."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        return self._ask("POST", path, (http.client.CREATED, http.client.OK), body, headers)

    def get(self, path: str) -> bytes:
        """Read something."""
        return self._ask("GET", path, (http.client.OK,))

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        """Follow lines of JSON to their end; the connection is of no use after that."""
        self.request("GET", path, headers={"Accept": "application/x-ndjson"})
        with self.getresponse() as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    def _ask(
        self,
        method: str,
        path: str,
        expected: Container[int],
        body: bytes | None = None,
        headers: Any = None,
    ) -> bytes:
        self.request(method, path, body, headers or {})
        with self.getresponse() as answer:
            content = answer.read()
        if answer.status not in expected:
            raise RuntimeError(f"cannot {method} {path}: {answer.status} {content[:500]!r}")
        return content


def encoded(spec: Any) -> bytes:
    """Return the body of a submission."""
    return json.dumps(fields.run_spec(spec)).encode()


def encoded_batch(specs: Sequence[Any]) -> bytes:
    """Return the body of a batch."""
    return json.dumps(fields.batch(specs)).encode()
