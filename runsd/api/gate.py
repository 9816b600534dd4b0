"""The gate: takes connections for the API, a bounded number of them, and a share of that from one caller.

Every connection is a descriptor. Without a bound whoever may connect could take them all, and the daemon
could neither ask the Engine nor write its files.
"""

import asyncio
import os
import resource
import socket
import struct
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from runsd.api.problems import Malformed, problem_of, problem_response

log = structlog.get_logger()

_UCRED: Final = struct.Struct("iII")
_AGAIN_S = 1.0
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
    """A site that lets ``most`` in, and half as many of one user who is neither root nor the daemon's own."""

    def __init__(self, runner: web.AppRunner, listener: socket.socket, *, most: int) -> None:
        super().__init__(runner, listener)
        self._most = most
        self._inside: dict[RequestHandler, int] = {}
        self._refused: set[int] = set()
        self._accepting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make connections wait for ``serve``."""
        await web.BaseSite.start(self)
        self._sock.settimeout(0)

    async def serve(self) -> None:
        """Take connections until the site is stopped."""
        self._accepting = asyncio.current_task()
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None  # noqa: S101 - the runner is set up
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except OSError as failure:  # out of descriptors, mostly
                log.warning("api.cannot_accept", error=str(failure))
                await asyncio.sleep(_AGAIN_S)
                continue
            caller = _caller(connection)
            if not self._has_room(caller):
                self._refuse(connection, caller)
                await asyncio.sleep(0)  # accepting may go on for ever without giving way
                continue
            try:
                _, handler = await loop.connect_accepted_socket(lambda: _Handler(server), connection)
            except OSError:  # it has left already
                connection.close()
                continue
            self._inside[handler] = caller
            self._refused.discard(caller)

    async def stop(self) -> None:
        """Take no more connections."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        await super().stop()
        self._sock.close()

    def _has_room(self, caller: int) -> bool:
        share = self._most if caller in (0, os.geteuid()) else self._most // 2
        if len(self._inside) < share:
            return True
        server = self._runner.server
        present = set(server.connections) if server is not None else set()
        self._inside = {handler: uid for handler, uid in self._inside.items() if handler in present}
        return len(self._inside) < self._most and Counter(self._inside.values())[caller] < share

    def _refuse(self, connection: socket.socket, caller: int) -> None:
        if caller not in self._refused:  # said once until it gets in again
            log.warning("api.too_many_connections", uid=caller)
            self._refused.add(caller)
        with connection, suppress(OSError):
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


def _caller(connection: socket.socket) -> int:
    """Return the user id of the other side (unix(7)); that of nobody for a socket that has none."""
    if connection.family != socket.AF_UNIX:
        return -1
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
