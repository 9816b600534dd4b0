"""The wire to the Docker Engine: HTTP over its socket, the API version, and errors mapped once."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from runsd.engine.calls import Calls, kind_of
from runsd.errors import (
    EngineConflict,
    EngineError,
    EngineNotFound,
    EngineRefused,
    EngineUnavailable,
    Refused,
)

OLDEST_API = (1, 41)
"""Docker Engine 20.10. Older ones lack ``one-shot`` statistics and the cgroup version."""

NEWEST_API = (1, 47)
"""The newest version whose answers we know; a newer Engine serves it too."""

UNARY_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 10.0

Query = Mapping[str, str]


class Transport:
    """Calls of the Engine's HTTP API, at ``unix:///path``, ``tcp://host:port`` or ``http://host:port``.

    Every call raises EngineUnavailable when nothing is known (no socket, refused, reset, no answer in
    time, a broken answer), EngineNotFound for 404, EngineConflict for 409 and EngineRefused for every
    other refusal; the message of the last three is the Engine's own sentence.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.calls = Calls()
        self._address = _address(host)
        self._sessions: _Sessions | None = None
        self._api: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the Engine is reached by a socket of this host."""
        return self._address.socket is not None

    async def api_version(self) -> str:
        """Return the API version agreed on with the Engine, and ask it where none is agreed on yet.

        Raises EngineRefused when the Engine is too old, or too new to serve any version known here.
        """
        if self._api is None:
            version = await self.json("GET", "/version", versioned=False)
            if not isinstance(version, dict) or "ApiVersion" not in version:
                raise self._unavailable("what answers there is no Docker Engine")
            self._api = _agreed(version)
        return self._api

    async def json(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        timeout_s: float = UNARY_TIMEOUT_S,
        versioned: bool = True,
    ) -> Any:
        """Make one call and return its decoded answer, or None where the Engine sends no JSON."""
        url = await self._url(path, query, versioned=versioned)
        with self._mapped(timeout_s), self.calls.asked(kind_of(method, path)):
            async with (
                asyncio.timeout(timeout_s),
                self._open().unary.request(method, url, json=body, allow_redirects=False) as answer,
            ):
                await _accept(answer)
                return await _decoded(answer)

    async def headers(self, path: str, *, query: Query) -> Mapping[str, str]:
        """Return what the Engine says in the headers of its answer to HEAD."""
        url = await self._url(path, query)
        with self._mapped(UNARY_TIMEOUT_S), self.calls.asked(kind_of("HEAD", path)):
            async with asyncio.timeout(UNARY_TIMEOUT_S), self._open().unary.head(url) as answer:
                await _accept(answer)
                return answer.headers

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        answer_timeout_s: float | None = UNARY_TIMEOUT_S,
    ) -> AsyncGenerator["Chunks"]:
        """Open a call whose answer may take for ever, entered once the Engine has begun to answer.

        Only the beginning is bounded (``answer_timeout_s``; None for no bound). Leaving the context, or
        being cancelled, closes the connection. A stream that breaks raises EngineUnavailable.
        """
        url = await self._url(path, query)
        request = self._open().streams.request(
            method, url, headers=headers, data=body, allow_redirects=False, timeout=_ENDLESS
        )
        with self._mapped(answer_timeout_s):
            async with asyncio.timeout(answer_timeout_s):
                answer = await request
        try:
            with self._mapped(UNARY_TIMEOUT_S):
                async with asyncio.timeout(UNARY_TIMEOUT_S):
                    await _accept(answer)
            yield Chunks(answer, self._mapped)
        finally:
            answer.close()

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, None
        if sessions is not None:
            await sessions.unary.close()
            await sessions.streams.close()

    async def _url(self, path: str, query: Query | None, *, versioned: bool = True) -> URL:
        prefix = f"/v{await self.api_version()}" if versioned else ""
        return URL(f"{self._address.base}{prefix}{path}", encoded=True).with_query(query)

    def _open(self) -> "_Sessions":
        if self._sessions is None:
            self._sessions = _Sessions(
                unary=_session(self._address, limit=100), streams=_session(self._address, limit=0)
            )
        return self._sessions

    @contextmanager
    def _mapped(self, timeout_s: float | None = None) -> Iterator[None]:
        try:
            yield
        except TimeoutError as failure:
            raise self._unavailable(
                f"no answer in {timeout_s:g} s" if timeout_s else "timed out"
            ) from failure
        except aiohttp.ClientConnectorError as failure:
            self._gone()
            raise self._unavailable(failure.strerror or str(failure.os_error)) from failure
        except (aiohttp.ClientError, ConnectionError) as failure:
            self._gone()
            raise self._unavailable(f"the answer broke off ({failure})") from failure

    def _gone(self) -> None:
        """Forget what was agreed on and asked for: the next Engine at this address may be another one."""
        self._api = None
        self.calls.forget()

    def _unavailable(self, reason: str) -> EngineUnavailable:
        return EngineUnavailable(
            f"cannot use the Docker Engine at {self.host}: {reason}; check that it runs and may be reached"
        )


class Chunks(AsyncIterator[bytes]):
    """The bytes of a streamed answer as they arrive, ended only where the Engine ended them."""

    def __init__(
        self, answer: aiohttp.ClientResponse, mapped: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._answer = answer
        self._mapped = mapped

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with self._mapped():
            chunk = await self._answer.content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk


def quoted(part: str) -> str:
    """Return a name for use in a path; the Engine takes image references with their slashes."""
    return quote(part, safe="/:@")


@dataclass(frozen=True, slots=True)
class _Address:
    base: str
    socket: str | None


@dataclass(frozen=True, slots=True)
class _Sessions:
    unary: aiohttp.ClientSession
    streams: aiohttp.ClientSession


_KEPT_S = 1.0
_ENDLESS = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)


def _address(host: str) -> _Address:
    parts = urlsplit(host)
    match parts.scheme:
        case "unix" if parts.path:
            return _Address("http://engine", parts.netloc + parts.path)
        case "tcp" | "http" if parts.hostname:
            return _Address(f"http://{parts.netloc}", None)
    raise Refused(
        f"cannot use {host!r} as the Engine's address: write unix:///path/to.sock or tcp://host:port"
    )


def _session(address: _Address, *, limit: int) -> aiohttp.ClientSession:
    """Make a session that keeps connections for a moment: over a kept one a call costs half.

    One that the Engine closes, or whose Engine ends, is let go of at once. Should it end in the very moment
    of a call, aiohttp asks again what is idempotent (RFC 9112, 9.3.1); anything else is EngineUnavailable, as
    with every Engine that ends while it is asked.
    """
    how: Any = {"limit": limit, "keepalive_timeout": _KEPT_S}
    connector = (
        aiohttp.UnixConnector(address.socket, **how)
        if address.socket is not None
        else aiohttp.TCPConnector(**how)
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=_ENDLESS,  # unary calls bound the whole, the wait for a connection included
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _agreed(version: Mapping[str, Any]) -> str:
    offered, oldest = _parsed(version["ApiVersion"]), _parsed(version.get("MinAPIVersion") or "1.0")
    if offered < OLDEST_API:
        raise EngineRefused(
            f"cannot use Docker Engine {version.get('Version')}: it speaks API {version['ApiVersion']},"
            f" runsd needs {_written(OLDEST_API)}; install Docker Engine 20.10 or newer"
        )
    if oldest > NEWEST_API:
        raise EngineRefused(
            f"cannot use Docker Engine {version.get('Version')}: it serves API {version['MinAPIVersion']}"
            f" and newer, this runsd speaks {_written(NEWEST_API)}; install a newer runsd"
        )
    return _written(min(offered, NEWEST_API))


def _parsed(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


MOST_SAID = 4096
"""How much of the Engine's sentence is kept, in characters: it may be a registry's, and so anybody's."""

_ERROR_OF: Mapping[int, type[EngineError]] = {404: EngineNotFound, 409: EngineConflict}


async def _accept(answer: aiohttp.ClientResponse) -> None:
    if answer.status < 300 or answer.status == 304:  # 304: the container is in that state already
        return
    text = (await answer.read()).decode(errors="replace")
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text.strip() or f"HTTP {answer.status} {answer.reason}"
    raise _ERROR_OF.get(answer.status, EngineRefused)(message.strip()[:MOST_SAID], status=answer.status)


async def _decoded(answer: aiohttp.ClientResponse) -> Any:
    text = await answer.read()
    if not text or answer.content_type != "application/json":
        return None
    try:
        return json.loads(text)
    except ValueError as failure:
        raise aiohttp.ClientPayloadError(f"not JSON: {failure}") from failure
