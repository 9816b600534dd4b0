"""A way for a browser to a daemon that has only its socket: a port of this host, for as long as it is wanted.

Anybody on this host can come to the port, so nothing that passes counts as from the user who opened it: each
request is marked as forwarded, and the daemon then goes by the cookie alone. A browser sends that cookie to
all ports of a name, so the mark is a secret of this process, without which the cookie opens nothing; and the
browser comes by a name that nobody else knows, so that pages at other ports are not sent the cookie at all.
"""

import asyncio
import secrets
import signal
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

_HOST: Final = "127.0.0.1"
_HTTP: Final = 80
_MARK: Final = "Runsd-Forwarded"
_MOST_BODY: Final = 512 * 1024**2
_PIECE: Final = 64 * 1024
# A browser has six connections to a host at most; the daemon must not be filled with those of others.
_MOST_CONNECTIONS: Final = 32
_WAIT_S: Final = 10
# RFC 9110, 7.6.1: they are about one connection. Authorization is no browser's here.
_OWN: Final = frozenset(
    ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "authorization")
)


async def serve(socket: str, port: int, *, numeric: bool, on_open: Callable[[str], None]) -> None:
    """Forward until SIGINT or SIGTERM; say where once there is somebody to answer. Raises OSError.

    With ``numeric`` that is an address, for browsers that do not find names under ``localhost``.
    """
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    connector = aiohttp.UnixConnector(socket, limit=_MOST_CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=None, connect=_WAIT_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as daemon:
        app = web.Application(client_max_size=_MOST_BODY)
        doorway = _Doorway(daemon)
        app.router.add_route("*", "/{path:.*}", doorway.pass_on)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, _HOST, port)
            await site.start()
            name, at = _HOST if numeric else _unguessable(), runner.addresses[0][1]
            doorway.name = name if at == _HTTP else f"{name}:{at}"  # as browsers name it
            on_open(f"http://{doorway.name}")
            await ended.wait()
        finally:
            await runner.cleanup()


class _Doorway:
    """One request after the other, to the daemon and back."""

    def __init__(self, daemon: aiohttp.ClientSession) -> None:
        self._daemon = daemon
        self._mark = secrets.token_urlsafe()
        self.name = ""

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, marked, and its answer back as it comes."""
        if request.headers.get("Host") != self.name:
            return web.Response(status=421, text="open the link that `runs open` has printed\n")
        headers = CIMultiDict((name, text) for name, text in request.headers.items() if _passes(name))
        headers[_MARK] = self._mark
        body = request.content if request.body_exists else None
        try:
            asked = self._daemon.request(
                request.method,
                f"http://runsd{request.raw_path}",
                headers=headers,
                data=body,
                allow_redirects=False,
            )
            async with asked as answer:
                return await _answer(request, answer)
        except aiohttp.ServerTimeoutError:
            return web.Response(
                status=503, text="runsd is busy, or too many pages are open; reload this one\n"
            )
        except aiohttp.ClientError:  # also where it went in the middle, and nobody knows what it has done
            return web.Response(status=502, text="runsd is away; reload the page when it runs again\n")


async def _answer(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = CIMultiDict((name, text) for name, text in answer.headers.items() if _passes(name))
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_chunked(_PIECE):
            await response.write(piece)
    except aiohttp.ClientError:
        if request.transport is not None:
            request.transport.abort()  # half an answer must not look like a whole one
    else:
        await response.write_eof()
    return response


def _unguessable() -> str:
    """Return a name of this host: browsers take all under ``localhost`` for loopback (RFC 6761, 6.3)."""
    return f"{secrets.token_hex(8)}.localhost"


def _passes(name: str) -> bool:
    return name.lower() not in _OWN and name.lower() != _MARK.lower()
