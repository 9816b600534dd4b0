"""The gate: takes connections for the API, a bounded number of them, and a share of that from one caller.

Every connection is a descriptor. Without a bound whoever may connect could take them all, and the daemon
could neither ask the Engine nor write its files.
"""

import asyncio
import os
import resource
import socket
import ssl
import struct
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from runsd.api.failures import network_of
from runsd.api.problems import Malformed, problem_of, problem_response

log = structlog.get_logger()

_UCRED: Final = struct.Struct("iII")
_AGAIN_S = 1.0
_HANDSHAKE_S = 15.0
_MOST_NAMED = 1000
_Whose = int | str
_TOO_MANY = problem_of(
    Malformed(
        "there are too many connections to runsd, or too many of yours; close some",
        HTTPStatus.TOO_MANY_REQUESTS,
    )
).model_dump_json(by_alias=True)
_REFUSAL = (
    f"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n"
    f"Content-Length: {len(_TOO_MANY)}\r\nConnection: close\r\n\r\n{_TOO_MANY}"
).encode()


class Gate(web.SockSite):
    """A site that lets ``most`` in, and half as many of one caller.

    That is a user of this host who is neither root nor the daemon's own, and over TCP an address.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        *,
        most: int,
        encrypted: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, listener, ssl_context=encrypted)
        self._most = most
        self._encrypted = encrypted
        self._arriving: dict[asyncio.Task[None], _Whose] = {}
        self._inside: dict[RequestHandler, _Whose] = {}
        self._refused: set[_Whose] = set()
        self._accepting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make connections wait for ``serve``."""
        await web.BaseSite.start(self)
        self._sock.settimeout(0)

    async def serve(self) -> None:
        """Take connections until the site is stopped."""
        self._accepting = asyncio.current_task()
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._sock)
            except OSError as failure:  # out of descriptors, mostly
                log.warning("api.cannot_accept", error=str(failure))
                await asyncio.sleep(_AGAIN_S)
                continue
            caller = _caller(connection, address)
            if not self._has_room(caller):
                self._refuse(connection, caller)
                await asyncio.sleep(0)  # accepting may go on for ever without giving way
                continue
            if self._encrypted is None:
                await self._let_in(connection, caller)
            else:  # nobody waits for the handshake of another
                arriving = asyncio.create_task(self._let_in(connection, caller), name="handshake")
                self._arriving[arriving] = caller
                arriving.add_done_callback(self._arriving.pop)

    async def stop(self) -> None:
        """Take no more connections."""
        tasks = [*self._arriving] if self._accepting is None else [self._accepting, *self._arriving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().stop()
        self._sock.close()

    async def _let_in(self, connection: socket.socket, caller: _Whose) -> None:
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None  # noqa: S101 - the runner is set up
        try:
            _, handler = await loop.connect_accepted_socket(
                lambda: _Handler(server),
                connection,
                ssl=self._encrypted,
                ssl_handshake_timeout=None if self._encrypted is None else _HANDSHAKE_S,
            )
        except OSError:  # it has left already, or does not speak TLS
            connection.close()
            return
        self._inside[handler] = caller
        self._refused.discard(caller)

    def _has_room(self, caller: _Whose) -> bool:
        share = self._most if caller in (0, os.geteuid()) else self._most // 2
        if len(self._inside) + len(self._arriving) < share:
            return True
        server = self._runner.server
        connected = set(server.connections) if server is not None else set()
        self._inside = {handler: whose for handler, whose in self._inside.items() if handler in connected}
        present = [*self._inside.values(), *self._arriving.values()]
        return len(present) < self._most and Counter(present)[caller] < share

    def _refuse(self, connection: socket.socket, caller: _Whose) -> None:
        if caller not in self._refused and len(self._refused) < _MOST_NAMED:  # once until it gets in again
            log.warning("api.too_many_connections", caller=caller)
            self._refused.add(caller)
        with connection, suppress(OSError):
            if self._encrypted is None:
                connection.send(_REFUSAL)


class _Handler(RequestHandler):
    """What aiohttp makes of a connection, but for what it says to whoever does not speak HTTP."""

    def __init__(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, access_log=None)  # type: ignore[arg-type]  # as its runner does

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer as to all that is refused, and leave no trace in the log: anybody could fill it."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        said = "cannot read the request: it is no HTTP, or its first line or a header has more than 8 KiB"
        response = problem_response(problem_of(Malformed(said, HTTPStatus(status))))
        response.force_close()
        return response


def most_connections() -> int:
    """Return how many connections there may be: half of the descriptors that this process may have, or fewer.

    Each costs 10 KB and more of memory too.
    """
    return min(4096, max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


def _caller(connection: socket.socket, address: Any) -> _Whose:
    """Return the user id of the other side (unix(7)), or the network that it is in."""
    if connection.family != socket.AF_UNIX:
        return network_of(str(address[0]))
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
