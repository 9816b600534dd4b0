"""A proxy before an Engine's socket: it sees what became of every container, and holds what it is told to."""

import asyncio
import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp

from tests.faults.hold import Hold
from tests.faults.witness import Witness

T = TypeVar("T")
_BEGUN_S = 10.0
_HEAD_BYTES = 1024**2
_PIECE_BYTES = 256 * 1024
_KEPT_BYTES = 1024**2
_LAST_CHUNK = b"0\r\n\r\n"
# What a call is, by its method and its path behind the version.
_KINDS = [
    ("create", "POST", r"/containers/create"),
    ("start", "POST", r"/containers/(?P<container>[^/]+)/start"),
    ("kill", "POST", r"/containers/(?P<container>[^/]+)/kill"),
    ("wait", "POST", r"/containers/(?P<container>[^/]+)/wait"),
    ("attach", "POST", r"/containers/(?P<container>[^/]+)/attach"),
    ("logs", "GET", r"/containers/(?P<container>[^/]+)/logs"),
    ("inspect", "GET", r"/containers/(?P<container>[^/]+)/json"),
    ("stats", "GET", r"/containers/(?P<container>[^/]+)/stats"),
    ("remove", "DELETE", r"/containers/(?P<container>[^/]+)"),
    ("list", "GET", r"/containers/json"),
    ("image", "GET", r"/images/.+/json"),
    ("pull", "POST", r"/images/create"),
    ("ping", "GET", r"/_ping"),
    ("info", "GET", r"/info"),
]
KINDS = tuple(kind for kind, _, _ in _KINDS)
# Their answers are short, and are read to the end also for a client that has left: what was done is noted.
_NOTED = ("create", "start")


@dataclass(frozen=True, slots=True)
class Call:
    """A request by its head: what it is, and of which container (id or name, as it was asked)."""

    kind: str
    container: str
    query: dict[str, list[str]]

    @classmethod
    def parse(cls, head: bytes) -> "Call":
        """Read the first line of a request."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        url = urlsplit(target)
        path = re.sub(r"^/v\d+\.\d+(?=/)", "", url.path)
        for kind, verb, pattern in _KINDS:
            if verb == method and (found := re.fullmatch(pattern, path)):
                name = unquote(found.groupdict().get("container", ""))
                return cls(kind, name, parse_qs(url.query))
        return cls("other", "", parse_qs(url.query))


class Proxy:
    """Stands at ``host`` for the Engine behind ``engine_socket``, in a thread of its own.

    It keeps its clients' connections as the Engine does, and asks the Engine over a new one each time.
    """

    def __init__(self, engine_socket: Path, socket: Path) -> None:
        self.host = f"unix://{socket}"
        self.witness = Witness(engine_socket)
        self.calls: Counter[str] = Counter()
        self.spoil: Callable[[int, bytes], bytes] | None = None
        """What becomes of the nth piece (from 0) of live output on its way."""
        self._engine_socket = engine_socket
        self._socket = socket
        self._holds: list[Hold] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self.back()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gone()
        self.do(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_BEGUN_S)
        self._loop.close()

    # The faults

    def hold(self, *kinds: str, container: str = "", forwarded: bool = False) -> Hold:
        """Answer no such call from now on; the Engine gets it first if ``forwarded``, else never.

        ``container`` (id or name, as it is asked for) limits it to one. Let go by ``Hold.answer``, which
        forwards and answers late, or ``Hold.drop``, which cuts the connections; leaving its context drops.
        """
        assert set(kinds) <= set(KINDS), f"known are {', '.join(KINDS)}"
        hold = Hold(self._loop, kinds=kinds, container=container, forwarded=forwarded)
        self._loop.call_soon_threadsafe(self._holds.append, hold)
        return hold

    def gone(self) -> None:
        """Take the socket away and cut all connections."""
        self.do(self._gone())

    def back(self) -> None:
        """Be there again."""
        self.do(self._back())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be gone for a while."""
        self.gone()
        try:
            yield
        finally:
            self.back()

    def cut(self) -> None:
        """Cut all connections; the next ones are taken."""
        self.do(self._cut())

    def sweep(self, label: str) -> None:
        """Let the witness look at the containers with that label that are still there."""
        self.do(self.witness.sweep(label))

    def do(self, job: Coroutine[Any, Any, T]) -> T:
        """Do something in the proxy's own thread."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    async def _gone(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket.unlink(missing_ok=True)
        await self._cut()

    async def _back(self) -> None:
        assert self._server is None
        self._server = await asyncio.start_unix_server(self._accept, self._socket, limit=_HEAD_BYTES)

    async def _cut(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    # One connection

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._connections.add(task)

        # Not in the task itself: one that is cut before its first step never reaches its `finally`.
        def ended(task: asyncio.Task[None]) -> None:
            self._connections.discard(task)
            writer.transport.abort() if task.cancelled() else writer.close()

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever cannot be asked, or leaves, is told as the Engine tells it: the connection is closed.
        with contextlib.suppress(OSError, EOFError, aiohttp.ClientError):
            early: bytes | None = b""
            while early is not None:
                early = await self._pass(early, reader, writer)

    async def _pass(
        self, early: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Pass on a request, of which ``early`` has been read, and its answer.

        Return what was read of the next one, or None when there can be none on this connection.
        """
        head = early + await reader.readuntil(b"\r\n\r\n")
        call = Call.parse(head)
        self.calls[call.kind] += 1
        hold = self._holding(call)
        if hold is not None and not hold.forwarded and not await hold.wait():
            return None
        if call.kind == "remove":
            await self.witness.look(call.container)
        up_reader, up_writer = await asyncio.open_unix_connection(self._engine_socket)
        try:
            up_writer.write(_last(head) if call.kind != "attach" else head)
            sending = asyncio.create_task(
                _send(reader, up_writer, _body_bytes(head), ends=call.kind not in _NOTED)
            )
            try:
                again = await self._answer(call, hold, up_reader, writer)
            finally:
                sending.cancel()
                (sent,) = await asyncio.gather(sending, return_exceptions=True)
        finally:
            up_writer.transport.abort()
        if not again:
            return None
        return sent if isinstance(sent, bytes) else b""

    async def _answer(
        self, call: Call, hold: Hold | None, answer: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if hold is not None and hold.forwarded and not await hold.wait():
            return False
        kept = bytearray()
        number = -1  # the head of the answer comes by itself, before the program has begun
        head = await answer.readuntil(b"\r\n\r\n")
        framed = _has_an_end(head)
        piece = head.replace(b"Connection: close\r\n", b"") if framed else head
        passed, tail = 0, b""
        while piece:
            if call.kind in _NOTED and len(kept) < _KEPT_BYTES:
                kept += piece
            elif writer.is_closing():
                return False
            if call.kind == "attach" and self.spoil is not None and number >= 0:
                piece = self.spoil(number, piece)
            number += 1
            with contextlib.suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()
            piece = await answer.read(_PIECE_BYTES)
            passed, tail = passed + len(piece), (tail + piece)[-len(_LAST_CHUNK) :]
        if call.kind == "create":
            self.witness.created(call.query.get("name", [""])[0], bytes(kept))
        elif call.kind == "start":
            self.witness.started(call.container, bytes(kept))
        # An Engine that dies in the middle of an answer closes the connection: so its client hears of it.
        return framed and _is_whole(head, passed, tail)

    def _holding(self, call: Call) -> Hold | None:
        return next((hold for hold in self._holds if hold.takes(call.kind, call.container)), None)


def _last(head: bytes) -> bytes:
    """Return a request's head with the wish that its connection be closed after the answer."""
    return head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"


def _body_bytes(head: bytes) -> int | None:
    """Return how long the body behind a request's head is; None where only its end tells."""
    if re.search(rb"^Transfer-Encoding:", head, re.IGNORECASE | re.MULTILINE):
        return None
    length = re.search(rb"^Content-Length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    return int(length[1]) if length else 0


def _has_an_end(head: bytes) -> bool:
    """Say whether an answer ends otherwise than by the end of its connection."""
    framed = rb"^(?:Content-Length:|Transfer-Encoding: *chunked)|^HTTP/1.1 (?:204|304)"
    return re.search(framed, head, re.IGNORECASE | re.MULTILINE) is not None


def _is_whole(head: bytes, passed: int, tail: bytes) -> bool:
    """Say whether an answer that has an end came to it: by its last bytes, or the number of all."""
    if re.search(rb"^Transfer-Encoding: *chunked", head, re.IGNORECASE | re.MULTILINE):
        return tail == _LAST_CHUNK
    length = re.search(rb"^Content-Length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    return passed == (int(length[1]) if length else 0)


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body_bytes: int | None, *, ends: bool
) -> bytes:
    """Pass on the body; when the client leaves, the Engine is told by the end of what we send.

    Behind a body of known size comes the next request: return its first byte, and read no further.
    """
    left = body_bytes
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES) or 1):
            if left == 0:
                return piece
            if left is not None:
                left -= len(piece)
            writer.write(piece)
            await writer.drain()
        if ends:
            writer.transport.abort()
        else:
            writer.write_eof()
    return b""
