"""The receiver: three paths that take OTLP from runs by their tokens, and nothing else.

Source of the answers: docs/specification.md of open-telemetry/opentelemetry-proto ("OTLP/HTTP Response").
Some exporters drop what is answered with 429, against it: no ordinary program comes to the rate.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from runsd.errors import NotNow
from runsd.telemetry import otlp
from runsd.telemetry.accounts import Accounts, Opened
from runsd.telemetry.facts import Batch, Signal
from runsd.telemetry.ledger import Attempt
from runsd.telemetry.otlp import BadPayload, Encoding, TooLarge
from runsd.telemetry.tokens import Tokens

log = structlog.get_logger()

_Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BYTES = 4 * 1024**2
"""The longest body that is taken, before and after it is unpacked."""

_BODY_S = 10.0
_REST_S = 1.0
# Bodies that are being read, of one attempt and of all.
_MOST_HELD_BYTES = 8 * 1024**2
_MOST_HELD_BY_ALL = 32 * 1024**2
_REQUEST_BYTES = 8 * 1024
# Whoever is refused is answered slowly, so that to ask in vain costs this side little.
_REFUSED_S = 0.1
# To decode JSON takes many times as long as to decode protobuf.
_COST: Final = {Encoding.PROTOBUF: 1, Encoding.JSON: 4}
# More is decoded on a thread, where it holds nobody up.
_INLINE_BYTES = 16 * 1024
_NO_SENSE = "some have no id, no number or no temporality"
_NO_ROOM = "there is no room for more names, attribute sets or processes of this run"


class Refusal(Exception):
    """An answer that is no success; ``after_s`` says when to send the same again, if at all."""

    def __init__(self, status: HTTPStatus, said: str, *, after_s: float | None = None) -> None:
        super().__init__(said)
        self.status = status
        self.after_s = after_s


class Receiver:
    """Takes payloads for accounts. ``app`` serves it; ``close`` ends its thread."""

    def __init__(self, accounts: Accounts, tokens: Tokens) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._held_bytes = 0
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="telemetry")
        self.silent: set[asyncio.BaseTransport | None] = set()
        """New connections, on which no request has come yet."""

    def app(self) -> web.Application:
        """Return the routes."""
        app = web.Application(middlewares=[self._note], client_max_size=MOST_BYTES)
        app.on_response_prepare.append(_say_nothing_more)
        for signal in Signal:
            app.router.add_post(f"/v1/{signal}", self._handler(signal))
        return app

    def close(self) -> None:
        """End the thread that decodes."""
        self._decoder.shutdown()

    def _handler(self, signal: Signal) -> _Handle:
        async def handle(request: web.Request) -> web.StreamResponse:
            encoding = _encoding(request)
            if encoding is None:
                return web.Response(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            try:
                rejected = await self._take(request, signal, encoding)
            except Refusal as refusal:
                return _refused(refusal, encoding)
            except NotNow as failure:
                trouble = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(failure), after_s=1)
                return _refused(trouble, encoding)
            body = otlp.answer(signal, encoding, sum(rejected.values()), "; ".join(rejected))
            return web.Response(body=body, content_type=encoding)

        return handle

    @web.middleware
    async def _note(self, request: web.Request, handler: _Handle) -> web.StreamResponse:
        self.silent.discard(request.transport)
        try:
            response = await handler(request)
        except web.HTTPException:
            await asyncio.sleep(_REFUSED_S)
            raise
        except Exception:  # one payload's fault must not reach the others
            log.exception("telemetry.failed", path=request.path)
            response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        if response.status >= HTTPStatus.BAD_REQUEST:
            await _drop_rest(request)
            await asyncio.sleep(_REFUSED_S)
        return response

    async def _take(self, request: web.Request, signal: Signal, encoding: Encoding) -> dict[str, int]:
        """Take a request in, and return how much of it was not taken, by reasons. Raises Refusal, NotNow."""
        attempt, opened = await self._sender(request)
        wait_s = opened.bucket.wait_s(time.monotonic())
        if wait_s > 0:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "this run sends too much", after_s=wait_s)
        packed = request.headers.get("Content-Encoding", "identity")
        if packed not in ("gzip", "identity"):
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"cannot unpack {packed!r}; use gzip or none")
        opened.bucket.take(_REQUEST_BYTES)
        held = _Held(self, opened)
        try:
            body = await held.read(request)
            batch, size = await self._decoded(signal, body, encoding, gzip=packed == "gzip")
        except TooLarge:
            said = f"more than {MOST_BYTES} bytes; send smaller batches"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said) from None
        except (BadPayload, web.RequestPayloadError, ConnectionError) as failure:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(failure)) from failure
        finally:
            opened.bucket.take(held.size * _COST[encoding])
            held.release()
        opened.bucket.take((size - held.size) * _COST[encoding])
        rejected = {_NO_SENSE: batch.unread, _NO_ROOM: await self._accounts.add(attempt, batch)}
        return {reason: count for reason, count in rejected.items() if count}

    async def _sender(self, request: web.Request) -> tuple[Attempt, Opened]:
        attempt = self._tokens.attempt_of(_bearer(request))
        if attempt is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "send the token of the run: OTEL_EXPORTER_OTLP_HEADERS")
        opened = await self._accounts.open(attempt)
        if opened is None:
            raise Refusal(HTTPStatus.FORBIDDEN, "the run of this token is over")
        return attempt, opened

    async def _decoded(
        self, signal: Signal, body: bytes, encoding: Encoding, *, gzip: bool
    ) -> tuple[Batch, int]:
        def decoded() -> tuple[Batch, int]:
            plain = otlp.unpacked(body, MOST_BYTES) if gzip else body
            return otlp.decode(signal, plain, encoding), len(plain)

        if len(body) <= _INLINE_BYTES and not gzip:
            return decoded()
        return await asyncio.get_running_loop().run_in_executor(self._decoder, decoded)

    def release(self, opened: Opened, size: int) -> None:
        """Count bytes no more that have been read."""
        self._held_bytes -= size
        opened.held_bytes -= size

    def hold(self, opened: Opened, size: int) -> None:
        """Count bytes that are being read. Raises Refusal when they are too many."""
        self._held_bytes += size
        opened.held_bytes += size
        if opened.held_bytes > _MOST_HELD_BYTES or self._held_bytes > _MOST_HELD_BY_ALL:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too much is being received", after_s=1)


class _Held:
    """The body of one request while it is being read, of no more bytes and for no longer than it may be."""

    def __init__(self, receiver: Receiver, opened: Opened) -> None:
        self.size = 0
        self._receiver = receiver
        self._opened = opened

    async def read(self, request: web.Request) -> bytes:
        """Return it. Raises TooLarge and Refusal."""
        if (request.content_length or 0) > MOST_BYTES:
            raise TooLarge
        chunks = []
        try:
            async with asyncio.timeout(_BODY_S):
                async for chunk in request.content.iter_any():
                    self.size += len(chunk)
                    self._receiver.hold(self._opened, len(chunk))
                    if self.size > MOST_BYTES:
                        raise TooLarge
                    chunks.append(chunk)
        except TimeoutError as failure:
            said = f"the body has not come within {_BODY_S:g} s"
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, said) from failure
        return b"".join(chunks)

    def release(self) -> None:
        """Let go of its bytes."""
        self._receiver.release(self._opened, self.size)


async def _drop_rest(request: web.Request) -> None:
    """Read what was not read of a body: to close on it may reset the connection before the answer arrives."""
    with suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
        async with asyncio.timeout(_REST_S):
            while not request.content.at_eof():
                await request.content.readany()


def _encoding(request: web.Request) -> Encoding | None:
    return next((encoding for encoding in Encoding if encoding == request.content_type), None)


def _bearer(request: web.Request) -> str:
    """Return the token, also where a client has sent it as it stands in the variable, percent-encoded."""
    said = request.headers.get("Authorization", "").replace("%20", " ")
    scheme, _, token = said.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refused(refusal: Refusal, encoding: Encoding) -> web.Response:
    headers = {}
    if refusal.after_s is not None:
        headers["Retry-After"] = str(math.ceil(refusal.after_s))
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = otlp.refusal(encoding, str(refusal))
    response = web.Response(status=refusal.status, headers=headers, body=body, content_type=encoding)
    if refusal.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        response.force_close()
    return response


async def _say_nothing_more(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
