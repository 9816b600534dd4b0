"""Where the output that is stored ends within the Engine's own record of it. Pure.

The record is as the Engine holds it at a moment: its beginning may be thrown away. A place is exact only
where the bytes before it prove it. Bytes that occur twice prove nothing, unless nothing was thrown away: then
counting does.
"""

from collections.abc import Mapping
from enum import Enum, auto

from runsd.engine.port import Stream
from runsd.logs.record import CUT_BYTES, REPLACED, Recorder

ANCHOR_BYTES = 64 * 1024
PROOF_BYTES = 256
"""Fewer bytes than these may agree by chance."""

_HEAD_BYTES = 4096
_BATCH_BYTES = 1024 * 1024
_PERIOD_SEEN_BYTES = 1024


class Astray(Exception):
    """The record is not what it was taken for."""


class Doubt(Enum):
    """Why a place in the record is not the exact continuation of what is stored."""

    GONE = auto()
    """The record begins behind what is stored: output is missing between."""
    BROKEN = auto()
    """The record goes on otherwise than what is stored: the Engine has lost that, and maybe more."""
    UNSEEN = auto()
    """Nothing is stored, and the record has lost its beginning: output may be missing."""
    UNCERTAIN = auto()
    """What was stored last is there twice, or is too little to be told."""


class Known:
    """What is stored of one stream, as the record holds it: how much, how it begins, how it ends."""

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._end = 0
        self._anchor = bytearray()
        self._recorder = Recorder()

    @property
    def anchor(self) -> bytes:
        """The last bytes, none missing between them."""
        return bytes(self._anchor[-ANCHOR_BYTES:])

    @property
    def pending(self) -> bytes:
        """The beginning of a character that is stored and not counted: its record depends on the rest."""
        return self._recorder.pending

    @property
    def telling(self) -> bool:
        """Whether its end is hardly found anywhere else: it is long, and has no short period."""
        anchor = self.anchor
        last = anchor[-_PERIOD_SEEN_BYTES:]
        return len(anchor) >= _HEAD_BYTES and anchor.find(last) == len(anchor) - len(last)

    def stored(self, at_byte: int, data: bytes) -> None:
        """Count a stored chunk, in order; what lies before it and was not kept counts as it was written."""
        if (hole := at_byte - self._end) > 0:
            self.size += len(self.pending) + hole
            self._recorder.skip(hole)
            self._anchor.clear()
        self._end = at_byte + len(data)
        self._count(self._recorder.feed(data))

    def copied(self, recorded: bytes) -> None:
        """Count bytes that were found in the record behind the others."""
        self._recorder.pending = b""
        self._count(recorded)

    def _count(self, recorded: bytes) -> None:
        if len(self.head) == self.size < _HEAD_BYTES:
            self.head = (self.head + recorded)[:_HEAD_BYTES]
        self.size += len(recorded)
        self._anchor += recorded
        if len(self._anchor) > 4 * ANCHOR_BYTES:
            del self._anchor[:-ANCHOR_BYTES]


class Skip:
    """Leaves out so many bytes of a record and gives the others, proving that they are the right ones.

    ``head`` is how the record must begin, ``before`` what must come right before the place; ``pending`` is
    the beginning of a character behind the place, of which the record may hold U+FFFD for each byte.
    """

    def __init__(self, size: int, *, head: bytes, before: bytes, pending: bytes = b"") -> None:
        self.size = size
        self.completed = b""
        """What the record holds of ``pending``, once it was met."""
        self._head = head
        self._before = before
        self._pending = pending
        self._held = b""
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are still to be left out."""
        return max(0, self.size - self._at)

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that are new. Raises Astray when the record is another one."""
        at = self._at
        self._at = end = at + len(data)
        if at < len(self._head):
            _compare(data, at, self._head, 0)
        if end <= self.size - len(self._before):
            return b""
        _compare(data, at, self._before, self.size - len(self._before))
        if end <= self.size:
            return b""
        new = data[self.size - at :] if at < self.size else data
        return self._complete(new) if self._pending else new

    def _complete(self, new: bytes) -> bytes:
        self._held += new
        for form in (self._pending, REPLACED * len(self._pending)):
            if self._held.startswith(form):
                self.completed, self._pending = form, b""
                return self._held[len(form) :]
            if form.startswith(self._held):
                return b""
        raise Astray


class Search:
    """Looks through one stream of a record, fed in order, for the end of what is stored."""

    def __init__(self, known: Known) -> None:
        self.counted = True
        """Whether it is where counting from the record's beginning would have it, so far as there is any."""
        self.size = 0
        self.start = b""
        self._known = known
        self._skip = Skip(known.size, head=known.head, before=known.anchor, pending=known.pending)
        anchor = known.anchor
        half = len(anchor) // 2 if len(anchor) >= 2 * PROOF_BYTES else len(anchor)
        self._probe, self._rest = anchor[:half], anchor[half:]
        self._found: list[int] = []
        self._after = b""
        self._before = b""
        self._batch = bytearray()

    @property
    def found(self) -> bool:
        """Whether what is stored last is in what was fed."""
        self._look()
        return not self._probe or bool(self._found)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self.counted:
            try:
                self._skip.feed(data)
            except Astray:
                self.counted = False
        if len(self.start) < ANCHOR_BYTES:
            self.start = (self.start + data)[:ANCHOR_BYTES]
        self.size += len(data)
        self._batch += data
        if len(self._batch) >= _BATCH_BYTES:
            self._look()

    def place(self, *, complete: bool) -> "tuple[Skip, Doubt | None]":
        """Say where to go on, the record having been seen to its end; ``complete``: it has its beginning."""
        self._look()
        known, anchor = self._known, self._known.anchor
        if complete and self.counted:
            return Skip(known.size, head=known.head, before=anchor, pending=known.pending), None
        if not anchor:
            return self._at(0), None if complete else Doubt.UNSEEN
        if len(self._found) == 1 and len(self._probe) >= PROOF_BYTES:
            return self._behind(self._found[0])
        if self._found:
            return self._at(0), Doubt.UNCERTAIN
        overlaps = _overlaps(anchor, self.start)
        proven = [size for size in overlaps if size >= PROOF_BYTES]
        if len(proven) == 1:
            return self._at(proven[0], anchor[-proven[0] :], known.pending), None
        alike = min(len(self.start), len(known.head))
        if overlaps or self.start[:alike] == known.head[:alike]:
            return self._at(0), Doubt.UNCERTAIN
        return self._at(0), Doubt.GONE

    def _look(self) -> None:
        if self._found and len(self._after) < len(self._rest):
            self._after += self._batch[: len(self._rest) - len(self._after)]
        seen = self._before + bytes(self._batch)
        base = self.size - len(seen)
        at = seen.find(self._probe) if self._probe else -1
        while at >= 0 and len(self._found) < 2:
            end = at + len(self._probe)
            if not self._found:
                self._after = seen[end : end + len(self._rest)]
            self._found.append(base + end)
            at = seen.find(self._probe, at + 1)
        self._before = seen[max(0, len(seen) - len(self._probe) + 1) :]
        self._batch.clear()

    def _behind(self, end: int) -> "tuple[Skip, Doubt | None]":
        """Go on behind what is stored, or where the record leaves it."""
        after, rest = self._after, self._rest
        if after == rest[: len(after)]:
            return self._at(end + len(rest), self._probe + rest, self._known.pending), None
        same = next(n for n in range(len(after)) if after[n] != rest[n])
        same = after.rfind(b"\n", 0, same) + 1
        return self._at(end + same, self._probe + rest[:same]), Doubt.BROKEN

    def _at(self, size: int, before: bytes = b"", pending: bytes = b"") -> Skip:
        return Skip(size, head=self.start, before=before, pending=pending)


def places(searches: Mapping[Stream, Search], *, complete: bool) -> dict[Stream, tuple[Skip, Doubt | None]]:
    """Say for each stream where to go on in a record that all of them were looked for in.

    What is stored is what came first, of all streams: where the end of one of them is found, everything of
    the others that lies before the record's beginning is stored too, and nothing is missing.
    """
    found = {stream: search.place(complete=complete) for stream, search in searches.items()}
    if any(skip.size and doubt is None for skip, doubt in found.values()):
        return {
            stream: (skip, None if doubt in (Doubt.GONE, Doubt.UNSEEN) else doubt)
            for stream, (skip, doubt) in found.items()
        }
    return found


def _compare(data: bytes, at: int, known: bytes, known_at: int) -> None:
    start, end = max(at, known_at), min(at + len(data), known_at + len(known))
    if start < end and data[start - at : end - at] != known[start - known_at : end - known_at]:
        raise Astray


def _overlaps(anchor: bytes, start: bytes) -> list[int]:
    """Return with how many bytes what is stored may end in the record's first bytes; two are enough."""
    # A record begins with a line, or with a part of a very long one. That it begins with the very line of
    # which a part is stored is next to impossible; that lines begin alike is usual.
    anywhere = b"\n" not in anchor[-CUT_BYTES:]
    found = [
        size
        for size in range(1, min(PROOF_BYTES, len(start) + 1))
        if anchor.endswith(start[:size])
        and (anywhere or (b"\n" in start[:size] and anchor.endswith(b"\n" + start[:size])))
    ]
    probe = start[:PROOF_BYTES]
    at = anchor.find(probe) if len(probe) == PROOF_BYTES else -1
    long = 0
    while at >= 0 and long < 2:
        size = len(anchor) - at
        if size >= PROOF_BYTES and anchor[at:] == start[:size]:
            found.append(size)
            long += 1
        at = anchor.find(probe, at + 1)
    return found
