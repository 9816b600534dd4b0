"""HTTP in httpx2's terms, once for both drivers: requests, timeouts, errors, frames."""

import errno
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx2

from runsd_sdk.address import Address, unusable
from runsd_sdk.calls import NDJSON, Call, Feed
from runsd_sdk.errors import DaemonUnreachable, InvalidAddress, RunsdError, status_error
from runsd_sdk.steps import Frame

T = TypeVar("T")

BROKEN = (httpx2.TransportError, httpx2.DecodingError)
CONNECT_S = 5.0
HIGHEST_PORT = 65535
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_NEXT_STEP = {
    errno.ENOENT: "no socket there; start the daemon with `runsd serve`, or say where it is with RUNSD_HOST",
    errno.ECONNREFUSED: "nobody listens there; start the daemon with `runsd serve`",
    errno.EACCES: "permission denied; join the group of the socket (`sudo usermod -aG runsd $USER`)",
}


def client_options(address: Address) -> dict[str, Any]:
    """Return what both kinds of client are made with. Raises InvalidAddress."""
    return {
        "base_url": _base_url(address),
        "headers": {**address.headers, "User-Agent": "runsd-sdk-python", "Accept-Encoding": "identity"},
        "trust_env": False,
    }


def transport_options(address: Address) -> dict[str, Any]:
    """Return what both kinds of transport are made with: as many connections as there are callers.

    Raises InvalidAddress for certificates that cannot be read.
    """
    options: dict[str, Any] = {"limits": httpx2.Limits(max_connections=None, max_keepalive_connections=20)}
    if not address.base_url.startswith("https:"):
        # Loading the certificate store takes longer than a run's submission; without TLS it needs none.
        options["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    elif address.ca_file is not None:
        try:
            options["verify"] = ssl.create_default_context(cafile=address.ca_file)
        except OSError as error:  # also what ssl says of its contents
            raise InvalidAddress(f"cannot read the certificates of {address.ca_file}: {error}") from error
    if address.socket is not None:
        options["uds"] = address.socket
    return options


def call_options(call: Call[Any]) -> dict[str, Any]:
    """Return a call as arguments of ``Client.request``; a body in pieces is still to be made an iterator."""
    return {
        "method": call.method,
        "url": call.path,
        "params": call.query,
        "content": call.body,
        "headers": {"Accept": call.accept, **dict(call.headers)},
        "timeout": _timeout(call.read_s),
    }


def feed_options(feed: Feed[Any]) -> dict[str, Any]:
    """Return a feed as arguments of ``Client.stream``."""
    return {
        "method": "GET",
        "url": feed.path,
        "params": feed.query,
        "headers": {"Accept": feed.accept},
        "timeout": _timeout(feed.read_s),
    }


def parsed(call: Call[T], response: httpx2.Response) -> T:
    """Read an answer, or raise what the daemon said instead."""
    expect_success(response)
    try:
        return call.parse(response.content)
    except ValueError as error:
        what = f"{call.method} {call.path}"
        raise RunsdError(f"cannot read the answer to {what}; does the SDK fit the daemon? {error}") from error


def expect_success(response: httpx2.Response) -> None:
    """Raise what the daemon said, if it did not say yes. The body must have been read."""
    if not response.is_success:
        raise status_error(response.status_code, response.content)


def unreachable(error: Exception, address: Address) -> DaemonUnreachable:
    """Return what a failed transport means to a caller."""
    sent = not isinstance(error, _NOT_SENT)
    if isinstance(error, httpx2.TimeoutException) and sent:
        return DaemonUnreachable(
            f"cannot get an answer from runsd at {address.name}: it is silent", sent=True, silent=True
        )
    if sent:
        return DaemonUnreachable(
            f"cannot finish the talk with runsd at {address.name}: the connection broke", sent=True
        )
    cause = _os_error(error)
    said = _NEXT_STEP.get(cause.errno or 0) if cause else None
    return DaemonUnreachable(f"cannot reach runsd at {address.name}: {said or cause or error}")


def event_frame(event: httpx2.ServerSentEvent) -> Frame:
    """Return a server-sent event in our words."""
    return Frame(event.data.encode(), event=event.event, id=event.id)


def decoder(accept: str) -> Callable[[bytes], Iterator[Frame]]:
    """Return what cuts the chunks of such a stream into frames."""
    return _Lines().frames if accept == NDJSON else _whole


def _base_url(address: Address) -> httpx2.URL:
    try:
        url = httpx2.URL(address.base_url)
    except httpx2.InvalidURL as error:
        raise unusable(address.base_url) from error
    if not url.host or (url.port or 0) > HIGHEST_PORT:
        raise unusable(address.base_url)
    return url


def _whole(chunk: bytes) -> Iterator[Frame]:
    yield Frame(chunk)


class _Lines:
    """Cuts at ``\\n`` alone: JSON texts may hold every other line separator."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def frames(self, chunk: bytes) -> Iterator[Frame]:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            text = b"".join((*self._rest, line))
            self._rest.clear()
            if text:
                yield Frame(text)
        self._rest.append(rest)


def _timeout(read_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(connect=CONNECT_S, read=read_s, write=30.0, pool=None)


def _os_error(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error
        error = error.__cause__ or error.__context__
    return None
