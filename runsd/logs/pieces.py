"""Pieces of output in the order in which they came, cut so that each can be read alone. Pure."""

from dataclasses import dataclass

from runsd.engine.port import Stream

MOST_BYTES = 256 * 1024
# A character has so many bytes at the most.
_CHARACTER = 4
# An object of its own weighs more than so many bytes are worth.
_SMALL_BYTES = 4096
_Parts = list[bytes | bytearray]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one stream, their place in it, and when they came (microseconds since the epoch)."""

    stream: Stream
    at_byte: int
    at_us: int
    data: bytes


class Pieces:
    """Output that is not stored yet: neighbours of one stream are joined, long ones are cut."""

    def __init__(self, positions: dict[Stream, int]) -> None:
        self.positions = {stream: positions.get(stream, 0) for stream in Stream}
        self.size = 0
        self._waiting: list[tuple[Stream, int, _Parts]] = []

    @property
    def ends(self) -> dict[Stream, int]:
        """Bytes of each stream that have come, taken or not."""
        ends = dict(self.positions)
        for stream, _, parts in self._waiting:
            ends[stream] += sum(map(len, parts))
        return ends

    def add(self, stream: Stream, data: bytes, at_us: int) -> None:
        """Append bytes of a stream."""
        if self._waiting and self._waiting[-1][0] is stream:
            _append(self._waiting[-1][2], data)
        else:
            parts: _Parts = []
            _append(parts, data)
            self._waiting.append((stream, at_us, parts))
        self.size += len(data)

    def take(self, *, everything: bool) -> list[Piece]:
        """Remove and return what can be stored.

        Unless ``everything`` is asked for, a character whose last bytes have not come yet stays behind, so
        that every piece can be decoded by itself.
        """
        last = {stream: n for n, (stream, _, _) in enumerate(self._waiting)}
        taken: list[Piece] = []
        kept: list[tuple[Stream, int, _Parts]] = []
        for n, (stream, at_us, parts) in enumerate(self._waiting):
            data = b"".join(parts)
            end = len(data) if everything or last[stream] != n else whole_characters(data)
            taken.extend(self._cut(stream, at_us, data, end))
            if end < len(data):
                kept.append((stream, at_us, [data[end:]]))
        self._waiting = kept
        self.size = sum(len(data) for _, _, (data,) in kept)
        return taken

    def _cut(self, stream: Stream, at_us: int, data: bytes, whole: int) -> list[Piece]:
        found = []
        start = 0
        while start < whole:
            end = min(whole, start + MOST_BYTES)
            if end < whole:
                end -= _CHARACTER - whole_characters(data[end - _CHARACTER : end])
            piece = Piece(stream, self.positions[stream], at_us, data[start:end])
            self.positions[stream] += len(piece.data)
            found.append(piece)
            start = end
        return found


def _append(parts: _Parts, data: bytes) -> None:
    """Add to what will be joined: large data as it is, small data to the small before it."""
    if len(data) >= _SMALL_BYTES:
        parts.append(data)
    elif parts and isinstance(parts[-1], bytearray):
        parts[-1] += data
    else:
        parts.append(bytearray(data))


def whole_characters(data: bytes | bytearray) -> int:
    """Return how many leading bytes do not end inside a UTF-8 character.

    Bytes that are not UTF-8 at all count as whole: they are never held back.
    """
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return len(data) - back if length > back else len(data)
    return len(data)
