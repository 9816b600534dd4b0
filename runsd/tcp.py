"""The listener for clients on other hosts: there while there is a key that opens something, else not."""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import structlog
from aiohttp import web

from runsd.api.gate import Gate, most_connections
from runsd.config import TcpSettings
from runsd.errors import NotNow
from runsd.signals import Signals, woken
from runsd.store.keys import Keys

log = structlog.get_logger()

_LOOK_EVERY_S = 60.0
_BACKLOG = 1024


@dataclass(slots=True)
class Door:
    """An address that is ours from the start, so that whoever has it already is named then."""

    host: str
    port: int
    _bound: socket.socket | None = None

    @classmethod
    def at(cls, address: str) -> Self:
        """Take an address, ``host:port``. Raises NotNow."""
        host, _, port = address.rpartition(":")
        door = cls(host.removeprefix("[").removesuffix("]"), int(port))
        door.take()
        return door

    def take(self) -> socket.socket:
        """Return the socket at the address, which does not listen yet. Raises NotNow."""
        if self._bound is None:
            try:
                self._bound = _bound(self.host, self.port)
            except OSError as failure:
                raise NotNow(
                    f"cannot listen at {self.name}: {failure.strerror or failure}; choose another --listen"
                ) from failure
            self.port = self._bound.getsockname()[1]
        return self._bound

    def leave(self) -> None:
        """Give the address back."""
        if self._bound is not None:
            self._bound.close()
            self._bound = None

    @property
    def name(self) -> str:
        """The address as it is written."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether nobody but this host gets there."""
        with suppress(ValueError):
            return ip_address(self.host).is_loopback
        return self.host == "localhost"


class Listener:
    """Serves at an address, encrypted where there is a certificate."""

    def __init__(
        self, runner: web.AppRunner, door: Door, keys: Keys, *, settings: TcpSettings, signals: Signals
    ) -> None:
        self._runner = runner
        self._door = door
        self._keys = keys
        self._signals = signals
        self._certificate = Certificate.of(settings)
        self._gate: Gate | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        if self._certificate is None and not door.is_local:
            log.warning("tcp.plain", address=door.name, why="keys and output travel unencrypted")

    async def serve(self) -> None:
        """Listen whenever there is a key, for as long as the daemon lives."""
        with self._signals.listening("keys") as changed:
            while True:
                await self.look()
                await woken(changed, _LOOK_EVERY_S)

    async def look(self) -> None:
        """Begin or end to listen, as the keys say."""
        async with self._looking:
            if self._runner.server is None:
                return  # the daemon is leaving
            if self._certificate is not None:
                self._certificate.renew()
            if self._accepting is not None and self._accepting.done() and not self._accepting.cancelled():
                self._accepting.result()  # whatever has ended it ends the daemon
            usable = self._keys.usable()
            if usable and self._gate is None:
                await self._open()
            elif not usable and self._gate is not None:
                await self._shut(self._gate)

    async def _open(self) -> None:
        try:
            listener = self._door.take()
            listener.listen(_BACKLOG)
        except (NotNow, OSError) as failure:  # somebody has come first; it is tried again
            self._door.leave()
            log.error("tcp.taken", address=self._door.name, why=str(failure))
            return
        context = None if self._certificate is None else self._certificate.context
        # Whoever takes all of these is not in the way of those on the host's own socket.
        self._gate = Gate(self._runner, listener, most=most_connections() // 2, encrypted=context)
        await self._gate.start()
        self._accepting = asyncio.create_task(self._gate.serve(), name="tcp-gate")
        log.info("tcp.listening", address=self._door.name, encrypted=context is not None)

    async def _shut(self, gate: Gate) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        await gate.stop()
        self._gate, self._accepting = None, None
        self._door.leave()
        with suppress(NotNow):  # whoever has it now: it is tried again when there is a key
            self._door.take()
        log.info("tcp.shut", address=self._door.name, why="there is no key")


class Certificate:
    """A certificate and its key as files, which are read again when they have been renewed."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        self._files = certificate, private_key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._seen = self._times()
        self._read()

    @classmethod
    def of(cls, settings: TcpSettings) -> "Certificate | None":
        """Return what the settings name, if they do. Raises NotNow for what cannot be used."""
        if settings.certificate is None or settings.private_key is None:
            return None
        try:
            return cls(settings.certificate, settings.private_key)
        except (OSError, ssl.SSLError) as failure:
            raise NotNow(
                f"cannot use the certificate {settings.certificate} with {settings.private_key}: {failure}"
            ) from failure

    def renew(self) -> None:
        """Use renewed files for new connections; half of a renewal waits for the other half."""
        try:
            times = self._times()
            if times != self._seen:
                self._read()
                self._seen = times
                log.info("tcp.certificate_renewed")
        except (OSError, ssl.SSLError) as failure:
            log.warning("tcp.certificate_unusable", why=str(failure))

    def _read(self) -> None:
        certificate, private_key = self._files
        self.context.load_cert_chain(certificate, private_key)

    def _times(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in self._files)


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
