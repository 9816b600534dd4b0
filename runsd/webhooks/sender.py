"""One attempt: a request to a receiver, whose address is looked at before it is connected to."""

import asyncio
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from runsd import __version__
from runsd.faults import Step, effect
from runsd.webhooks.addresses import Network, parsed, refusal

ANSWER_S = 15.0
_LONGEST_LINE = 4096
_LONGEST_ERROR = 300
_PORTS = {"http": 80, "https": 443}


class _NotSent(Exception):
    """A message that cannot be sent there; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered, or why it did not; ``error`` None: it took the message."""

    status_code: int | None
    error: str | None
    duration_us: int
    retry_after_s: float = 0

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more messages at all (410)."""
        return self.status_code == HTTPStatus.GONE


class Sender:
    """Sends messages: no redirects, no proxy, no cookies, and no more of the answer than its head."""

    def __init__(self, *, allow: Sequence[Network], answer_s: float = ANSWER_S) -> None:
        self._allow = allow
        self._answer_s = answer_s

    @effect(Step.SEND_WEBHOOK)
    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a message once and return what came of it, within a bounded time."""
        begun = time.monotonic()
        status: int | None = None
        retry_after_s = 0.0
        try:
            async with asyncio.timeout(self._answer_s):
                status, retry_after_s = await self._answer(URL(url), body, headers)
            error = _complaint(status)
        except (_NotSent, aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
            error = self._said(failure)
        return Answer(status, error, int((time.monotonic() - begun) * 1e6), retry_after_s)

    async def _answer(self, url: URL, body: bytes, headers: Mapping[str, str]) -> tuple[int, float]:
        connector = aiohttp.TCPConnector(
            resolver=_Known(await self._addresses(url)),
            socket_factory=self._checked_socket,
            use_dns_cache=False,
            force_close=True,
        )
        # Made for each message: a connection that was kept could be to an address that is allowed no more.
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_LINE,
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"User-Agent": f"runsd/{__version__}", "Content-Type": "application/json"},
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status, _seconds(response.headers.get("Retry-After", ""))

    async def _addresses(self, url: URL) -> list[ResolveResult]:
        """Return the addresses of a host that may be reached; the name is looked up this once."""
        host, port = url.raw_host or "", url.port or _PORTS.get(url.scheme, 0)
        try:
            found = await _looked_up(host, port)
        except (OSError, UnicodeError) as failure:
            said = getattr(failure, "strerror", None) or "the name cannot be looked up"
            raise _NotSent(f"cannot find {host}: {said}") from failure
        why = {address: refusal(address, self._allow) for address in found}
        allowed = [address for address in found if why[address] is None]
        if not allowed:
            reasons = " and ".join(sorted({each for each in why.values() if each})) or "no address"
            raise _NotSent(
                f"cannot send to {host}: it has {reasons}; an admin may allow it with webhooks.allow"
            )
        return [_result(host, address, port) for address in allowed]

    def _checked_socket(self, info: Any) -> socket.socket:
        """Make the socket that will be connected to this very address, if that may be reached."""
        family, kind, protocol, _, target = info
        if (why := refusal(target[0], self._allow)) is not None:
            raise OSError(f"it has {why}")
        return socket.socket(family, kind, protocol)

    def _said(self, failure: Exception) -> str:
        match failure:
            case TimeoutError():
                return f"no answer within {self._answer_s:g} s"
            case _NotSent():
                return str(failure)
            case aiohttp.ClientConnectorError():
                return f"cannot connect: {failure.os_error.strerror or failure.os_error}"[:_LONGEST_ERROR]
            case _:
                return f"the answer broke off: {failure}"[:_LONGEST_ERROR]


class _Known(AbstractResolver):
    """A resolver that knows one host, and asks nobody."""

    def __init__(self, addresses: list[ResolveResult]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return self._addresses

    async def close(self) -> None:
        """Hold nothing."""


async def _looked_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises OSError, UnicodeError.

    On a thread of its own, that ends with the process: a name server may be silent for half a minute, and
    must hold up neither those who share the loop's threads nor the daemon's end.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def look_up() -> None:
        found: list[str] | Exception
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            found = list(dict.fromkeys(str(target[0]) for *_, target in answers))
        except (OSError, UnicodeError) as failure:
            found = failure
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, found)

    threading.Thread(target=look_up, name="webhook-dns", daemon=True).start()
    return await answer


def _settle(answer: "asyncio.Future[list[str]]", found: list[str] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def _result(host: str, address: str, port: int) -> ResolveResult:
    ip = parsed(address)
    family = socket.AF_INET6 if ip is not None and ip.version == 6 else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=flags
    )


def _complaint(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    said = f"the receiver answered {status}"
    return f"{said}: redirects are not followed; change the url" if 300 <= status < 400 else said


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 0.0
