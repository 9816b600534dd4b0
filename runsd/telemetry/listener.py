"""The listener: a TCP socket at the one address of this host that containers can reach, while that is there.

It is the gateway of the Engine's network ``bridge``, which no other interface of this host has; of the next
network that runs are in where the Engine has no such one. Containers of other networks reach it too.
"""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import structlog
from aiohttp import web

from runsd.engine.port import Engine
from runsd.errors import EngineError
from runsd.signals import Signals, woken
from runsd.telemetry.receiver import Receiver

log = structlog.get_logger()

_BACKLOG = 128
_MOST_CONNECTIONS = 256
_MOST_OF_ONE = 32
_FIRST_REQUEST_S = 10.0
_IDLE_S = 75.0
# A stuck Engine may be stuck in its networks, and nobody is to wait for this.
_ANSWER_S = 5.0
_LOOK_AGAIN_S = 5.0
_LOOK_EVERY_S = 60.0


class Listener:
    """Listens for a receiver, and says at which ``endpoint``, or what ``trouble`` it has."""

    def __init__(
        self,
        receiver: Receiver,
        engine: Engine,
        *,
        networks: Sequence[str],
        port: int,
        remembered: Path,
        signals: Signals,
    ) -> None:
        self.endpoint: str | None = None
        self.trouble: str | None = "not opened yet"
        self._receiver = receiver
        self._engine = engine
        self._networks = networks
        self._port = port
        self._remembered = remembered
        self._signals = signals
        self._address: str | None = None
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Listen where the Engine's containers can reach it now; what goes wrong is the ``trouble``."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                address = await self._gateway()
        except (EngineError, TimeoutError) as failure:
            if self.endpoint is None:
                self._say(str(failure) or f"the Engine does not say where network {self._networks[0]} is")
            return
        if address is None:
            await self.close()
            self._say(f"the Engine's network {self._networks[0]} has no gateway")
        elif address != self._address or self.endpoint is None:
            await self.close()
            await self.listen(address)

    async def listen(self, address: str) -> None:
        """Listen at an address of this host."""
        try:
            self._socket = self._bound(address)
        except OSError as failure:
            self._say(f"cannot listen at {address}: {failure.strerror}{_remedy(failure)}")
            return
        runner = web.AppRunner(
            self._receiver.app(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_IDLE_S,
            lingering_time=0,
            max_line_size=1024,
            max_headers=64,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        self._runner, self._address = runner, address
        port = self._socket.getsockname()[1]
        self.endpoint, self.trouble = f"http://{address}:{port}", None
        self._accepting = asyncio.create_task(self._accept(self._socket, runner), name="telemetry-accept")
        log.info("telemetry.listening", endpoint=self.endpoint)

    async def serve(self) -> None:
        """Keep listening where containers can reach it, for as long as the daemon lives."""
        with self._signals.listening("engine") as changed:
            while True:
                await woken(changed, _LOOK_EVERY_S if self.endpoint else _LOOK_AGAIN_S)
                if self._accepting is not None and self._accepting.done():
                    self._accepting.result()  # raises what ended it: it has no end of its own
                await self.look()

    async def close(self) -> None:
        """Listen no more."""
        self.endpoint = self._address = None
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _gateway(self) -> str | None:
        for network in self._networks:
            if (address := await self._engine.gateway(network)) is not None:
                return address
        return None

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("telemetry.not_listening", error=trouble)
        self.endpoint, self.trouble = None, trouble

    def _bound(self, address: str) -> socket.socket:
        """Return a listening socket, if possible at the port that containers were told before."""
        if self._port:
            return _listening(address, self._port)
        before = self._remembered_port()
        try:
            bound = _listening(address, before)
        except OSError as failure:
            if before == 0 or failure.errno != errno.EADDRINUSE:
                raise
            log.warning(
                "telemetry.port_taken", port=before, lost="telemetry of runs that were started before"
            )
            bound = _listening(address, 0)
        port = bound.getsockname()[1]
        if port != before:
            self._remember(port)
        return bound

    def _remembered_port(self) -> int:
        try:
            text = self._remembered.read_text()
        except OSError:
            return 0
        return int(text) if text.isascii() and text.isdigit() and int(text) < 2**16 else 0

    def _remember(self, port: int) -> None:
        try:
            self._remembered.write_text(str(port))
        except OSError as failure:  # the next daemon takes another
            log.warning("telemetry.port_not_kept", error=str(failure))

    async def _accept(self, listener: socket.socket, runner: web.AppRunner) -> None:
        """Take connections, a bounded number of them, and no more than a share from one container."""
        loop, server = asyncio.get_running_loop(), runner.server
        assert server is not None  # noqa: S101 - the runner is set up
        while True:
            try:
                connection, (peer, _) = await loop.sock_accept(listener)
            except OSError as failure:  # out of descriptors, mostly
                log.warning("telemetry.cannot_accept", error=str(failure))
                await asyncio.sleep(1)
                continue
            present = Counter(_peer(one.transport) for one in server.connections)
            if present.total() >= _MOST_CONNECTIONS or present[peer] >= _MOST_OF_ONE:
                connection.close()
                continue
            try:
                transport, _ = await loop.connect_accepted_socket(server, connection)
            except OSError:
                connection.close()
                continue
            self._receiver.silent.add(transport)
            loop.call_later(_FIRST_REQUEST_S, self._drop_silent, transport)

    def _drop_silent(self, transport: asyncio.Transport) -> None:
        if transport in self._receiver.silent:
            self._receiver.silent.discard(transport)
            transport.abort()


def _listening(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        # The connections of a former daemon may still be in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _peer(transport: asyncio.Transport | None) -> str | None:
    name = None if transport is None else transport.get_extra_info("peername")
    return name[0] if name else None


def _remedy(failure: OSError) -> str:
    match failure.errno:
        case errno.EADDRNOTAVAIL:
            return "; no interface of this host has it: is the Engine in another network namespace?"
        case errno.EADDRINUSE:
            return "; choose another telemetry.port, or 0 for any"
    return ""
