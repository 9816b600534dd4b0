"""Output under a mask: live as it comes, or as the Engine's record has it."""

from collections.abc import AsyncIterator
from typing import Self

from runsd.engine.port import Stream
from runsd.logs.record import Written
from runsd.mask import Mask, Masking

Piece = tuple[Stream, bytes]


class Veil:
    """A mask over both streams of a container."""

    def __init__(self, mask: Mask) -> None:
        self._streams = {stream: Masking(mask) for stream in (Stream.STDOUT, Stream.STDERR)}

    def feed(self, stream: Stream, data: bytes) -> bytes:
        """Return what can be said of what came, all but the possible beginning of a secret."""
        return self._streams[stream].feed(data)

    def finish(self) -> list[Piece]:
        """Return what was held back of streams that have ended."""
        return [(stream, held) for stream, masking in self._streams.items() if (held := masking.finish())]


class Recorded(AsyncIterator[Piece]):
    """A reading of the Engine's record, as it may be stored. Of one that goes on the end is not told."""

    def __init__(self, pieces: AsyncIterator[Piece], mask: Mask | None, *, ended: bool) -> None:
        self.written = 0
        """How many bytes the Engine has written at most for what was read."""
        self._pieces = pieces
        self._veil = None if mask is None else Veil(mask)
        self._ended = ended
        self._counted = Written()
        self._rest: list[Piece] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        while True:
            try:
                stream, data = await anext(self._pieces)
            except StopAsyncIteration:
                return self._last()
            self.written = self._counted.feed(data)
            if self._veil is None:
                return stream, data
            if covered := self._veil.feed(stream, data):
                return stream, covered

    def _last(self) -> Piece:
        if self._veil is not None and self._ended:
            self._rest, self._veil = self._veil.finish(), None
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop(0)
