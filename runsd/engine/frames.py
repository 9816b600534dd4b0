"""The Engine's multiplexed output: 8-byte headers (stream, length) between pieces of stdout and stderr."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from runsd.engine.port import Stream
from runsd.errors import EngineRefused, EngineUnavailable

Piece = tuple[Stream, bytes]

_HEADER = 8
_MUCH = 8192
_ENGINE_ERROR = 3
_STREAM_OF = {0: Stream.STDOUT, 1: Stream.STDOUT, 2: Stream.STDERR}  # 0 (stdin) is an echo: moby prints it


class Demultiplexer:
    """Takes the stream in any pieces and gives each one's payload on at once, without joining frames."""

    def __init__(self) -> None:
        self._header = b""
        self._type = 1
        self._left = 0
        self._error = b""

    def feed(self, data: bytes) -> list[Piece]:
        """Return the payloads in ``data``, in order; the bytes of one frame may come in several pieces.

        Raises EngineRefused with the Engine's sentence when it reports that it cannot read its own log,
        EngineUnavailable when this is not a multiplexed stream.
        """
        pieces: list[Piece] = []
        at = 0
        while at < len(data):
            if self._left:
                payload = data[at : at + self._left]
                at += len(payload)
                self._left -= len(payload)
                self._take(payload, pieces)
            else:
                at += self._read_header(data, at)
        return pieces

    def finish(self) -> None:
        """Check that the stream ended between two frames; raises EngineUnavailable when it was cut."""
        if self._left or self._header:
            raise EngineUnavailable("cannot read the output to its end: the Engine's stream was cut")

    def _take(self, payload: bytes, pieces: list[Piece]) -> None:
        if self._type != _ENGINE_ERROR:
            pieces.append((_STREAM_OF[self._type], payload))
            return
        self._error += payload
        if not self._left:
            raise EngineRefused(self._error.decode(errors="replace").strip())

    def _read_header(self, data: bytes, at: int) -> int:
        part = data[at : at + _HEADER - len(self._header)]
        header = self._header + part
        if len(header) < _HEADER:
            self._header = header
            return len(part)
        if header[0] > _ENGINE_ERROR or header[1:4] != b"\0\0\0":
            raise EngineUnavailable("cannot read the output: the Engine's stream is not multiplexed")
        self._header = b""
        self._type = header[0]
        self._left = int.from_bytes(header[4:], "big")
        return len(part)


class Frames(AsyncIterator[Piece]):
    """The pieces of a stream as they arrive; a stream that is cut inside a frame raises EngineUnavailable.

    After much at once the next reading waits for ``pause_s``, so that more comes together: each reading costs
    more than its bytes do.
    """

    def __init__(self, chunks: AsyncIterator[bytes], *, pause_s: float = 0.0) -> None:
        self._chunks = chunks
        self._pause_s = pause_s
        self._much = False
        self._demultiplexer = Demultiplexer()
        self._ready: deque[Piece] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        while not self._ready:
            if self._much and self._pause_s:
                await asyncio.sleep(self._pause_s)
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._demultiplexer.finish()
                raise
            self._much = len(chunk) >= _MUCH
            self._ready.extend(self._demultiplexer.feed(chunk))
        return self._ready.popleft()
