"""A log by the numbers of its lines: where each begins is counted once, and any of them is read from there.

A line is what ends with a newline in the text of a log, as ``text/plain`` gives it, so that a number here is
one of a downloaded file as well. Nothing is counted while a run writes: a log is counted when somebody looks
at it, once, and then only what has been added.
"""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from runsd.engine.port import Stream
from runsd.logs.pieces import whole_characters
from runsd.logs.reader import START, Cursor, LogQuery, LogReader, Part

MOST_BYTES = 1024**2
"""So much text is read at once; there is always one line, cut or whole."""
HEAD_BYTES, TAIL_BYTES = 12 * 1024, 4 * 1024
"""Of a longer line the beginning and the end are read: a progress bar's last state is at its end."""
_APART_BYTES, _APART_CHUNKS = 256 * 1024, 128
_MOST_PLACES = 8192
_MOST_COUNTS = 32
_TRIES = 3
_View = tuple[str, int | None, tuple[Stream, ...]]


class Place(NamedTuple):
    """A place between two chunks, and what comes before it."""

    cursor: Cursor
    newlines: int
    size: int
    within: bool
    """Whether a line is not over there."""

    @property
    def begun(self) -> int:
        """How many lines have begun before it."""
        return self.newlines + self.within


_BEGINNING = Place(START, newlines=0, size=0, within=False)


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline: pieces of streams, in their order. ``cursor`` is the place behind it.

    ``omitted`` bytes before the piece ``resumes`` were left out. The last line of a log may not be ``ended``.
    """

    number: int
    cursor: Cursor
    at_us: int
    pieces: tuple[tuple[Stream, bytes], ...]
    omitted: int = 0
    resumes: int = 0
    ended: bool = True

    @property
    def size(self) -> int:
        """How many bytes of it are here."""
        return sum(len(data) for _, data in self.pieces)


class LineCount:
    """The lines of one view of a log: how many there are, and places from which to read some."""

    def __init__(self, logs: LogReader, view: LogQuery) -> None:
        self._logs = logs
        self._view = replace(view, since=START)
        self._one = asyncio.Lock()
        self._forget()

    def _forget(self) -> None:
        self.end = _BEGINNING
        self.missing = 0
        """Bytes that were not kept. With them the numbers of all lines behind them change."""
        self._upto = self._rows = self._chunks = 0
        self._apart = 1
        self._places = [_BEGINNING]

    @property
    def total(self) -> int:
        """How many lines there are; the last may not be over."""
        return self.end.begun

    async def extend(self) -> None:
        """Count what was added; count anew if something that had been counted was deleted."""
        async with self._one:
            for _ in range(_TRIES):
                extent = await self._logs.extent(self._view.run_id, upto=self._upto)
                if extent.known != self._rows:
                    self._forget()
                if extent.newest == self._upto:
                    return
                await self._count(extent.newest)
                self._upto, self._rows = extent.newest, extent.rows
                # Whether something went away meanwhile is seen now, or else with the next call.
                if (await self._logs.extent(self._view.run_id, upto=self._upto)).known == self._rows:
                    return

    async def _count(self, upto: int) -> None:
        """Count up to a chunk, all or nothing: of what is not known to be counted no deletion is noticed."""
        try:
            async for part in self.parts(self.end.cursor, upto=upto):
                self._add(part)
        except BaseException:
            self._forget()
            raise

    async def parts(self, since: Cursor, *, upto: int | None = None) -> AsyncIterator[Part]:
        """Walk what is counted, or what is stored up to a chunk, from a place on."""
        upto = self._upto if upto is None else upto
        async for part in self._logs.parts(replace(self._view, since=since)):
            if part.row["id"] > upto:
                return
            yield part

    def before(self, number: int) -> Place:
        """Return the last known place at or before the beginning of a line."""
        return self._places[max(0, bisect_right(self._places, number - 1, key=lambda place: place.begun) - 1)]

    def within(self, number: int) -> Place | None:
        """Return the last known place within a line that has begun before it, if any."""
        n = bisect_right(self._places, number - 1, key=lambda place: place.newlines) - 1
        found = self._places[n]
        return found if found.newlines == number - 1 and found.within else None

    def _add(self, part: Part) -> None:
        self.missing += max(0, part.missing)
        _, newlines, size, within = self.end
        for _, data in part.pieces:
            newlines += data.count(b"\n")
            size += len(data)
            within = not data.endswith(b"\n")
        self.end = Place(part.end, newlines, size, within)
        self._chunks += 1
        far = size - self._places[-1].size >= _APART_BYTES * self._apart
        if far or self._chunks >= _APART_CHUNKS * self._apart:
            self._places.append(self.end)
            self._chunks = 0
        if len(self._places) > _MOST_PLACES:
            self._places = self._places[::2]
            self._apart *= 2


class Lines:
    """All logs by lines. What was counted of those that were looked at last is remembered."""

    def __init__(self, logs: LogReader) -> None:
        self._logs = logs
        self._counts: OrderedDict[_View, LineCount] = OrderedDict()

    async def counted(self, view: LogQuery) -> LineCount:
        """Return the lines of a view as they are now."""
        key = (view.run_id, view.attempt, tuple(view.streams))
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = LineCount(self._logs, view)
        self._counts.move_to_end(key)
        if len(self._counts) > _MOST_COUNTS:
            self._counts.popitem(last=False)
        await count.extend()
        return count


async def read(count: LineCount, first: int, most: int) -> list[Line]:
    """Return lines from a number on: as many as there are, as are asked for, and as fit in 1 MiB."""
    place: Place | None = count.before(first)
    reading = _Reading(count, first, min(most, count.total - first + 1))
    while place is not None and not reading.full:
        place = await reading.go_on(place)
    return reading.found


class _Reading:
    """Lines as they are put together."""

    def __init__(self, count: LineCount, first: int, most: int) -> None:
        self.found: list[Line] = []
        self._count = count
        self._first = first
        self._most = most
        self._size = 0
        self._line: _Unfinished | None = None

    @property
    def full(self) -> bool:
        return len(self.found) >= self._most or self._size >= MOST_BYTES

    async def go_on(self, place: Place) -> Place | None:
        """Read from a place on; return a later one where something can be left out, or None at the end."""
        number, size = place.begun + (not place.within), place.size
        async for part in self._count.parts(place.cursor):
            at = part.start
            for n, (stream, data) in enumerate(part.pieces, 1 - len(part.pieces)):
                # The remark before a part is no place of its own.
                number = self._take(part, stream, data, number, at if n == 0 else None)
                size += len(data)
            if self.full:
                return None
            if self._line is not None and self._line.long:
                later = self._count.within(number)
                if later is not None and later.size > size:
                    self._line.leave_out(later.size - size)
                    return later
        if self._line is not None:
            self._finish(self._line.line(ended=False))
        return None

    def _take(self, part: Part, stream: Stream, data: bytes, number: int, at: int | None) -> int:
        """Take the lines of a piece; return the number of the line in which it ends."""
        lines = data.count(b"\n")
        if number + lines < self._first:
            return number + lines
        start = 0
        while start < len(data) and not self.full:
            newline = data.find(b"\n", start)
            end = len(data) if newline < 0 else newline
            if number >= self._first:
                if self._line is None:
                    self._line = _Unfinished(number, part.row["at_us"])
                behind = part.start if at is None else at + end + (newline >= 0)
                self._line.add(stream, data[start:end], Cursor(part.row["id"], behind))
                if newline >= 0:
                    self._finish(self._line.line(ended=True))
            start = end + 1
            number += newline >= 0
        return number

    def _finish(self, line: Line) -> None:
        self._line = None
        self._size += line.size
        self.found.append(line)


class _Unfinished:
    """A line of which more may come."""

    def __init__(self, number: int, at_us: int) -> None:
        self._number = number
        self._at_us = at_us
        self._cursor = START
        self._head: list[tuple[Stream, bytes]] = []
        self._room = HEAD_BYTES
        self._tail: list[tuple[Stream, bytes]] = []
        self._behind = 0  # bytes behind the head, whether they are in the tail or not

    @property
    def long(self) -> bool:
        return self._behind > TAIL_BYTES

    def add(self, stream: Stream, data: bytes, cursor: Cursor) -> None:
        self._cursor = cursor
        head, rest = data[: self._room], data[self._room :]
        if head:
            _append(self._head, stream, head)
            self._room -= len(head)
        if rest:
            self._behind += len(rest)
            _append(self._tail, stream, rest[-TAIL_BYTES:])
            while sum(len(data) for _, data in self._tail[1:]) >= TAIL_BYTES:
                del self._tail[0]

    def leave_out(self, size: int) -> None:
        self._behind += size

    def line(self, *, ended: bool) -> Line:
        head, tail = list(self._head), list(self._tail)
        over = sum(len(data) for _, data in tail) - TAIL_BYTES
        if over > 0:
            tail[0] = (tail[0][0], tail[0][1][over:])
        omitted = self._behind - sum(len(data) for _, data in tail)
        if omitted:
            omitted += _cut_at_characters(head, tail)
        return Line(
            self._number, self._cursor, self._at_us, tuple(head + tail), omitted, len(head), ended=ended
        )


def _append(pieces: list[tuple[Stream, bytes]], stream: Stream, data: bytes) -> None:
    if pieces and pieces[-1][0] is stream:
        data = pieces.pop()[1] + data
    pieces.append((stream, data))


def _cut_at_characters(head: list[tuple[Stream, bytes]], tail: list[tuple[Stream, bytes]]) -> int:
    """Leave out the halves of characters on both sides of a cut; return how many bytes they are."""
    (stream, last), (other, first) = head[-1], tail[0]
    whole = whole_characters(last)
    head[-1] = (stream, last[:whole])
    start = next((n for n, byte in enumerate(first[:3]) if byte & 0b1100_0000 != 0b1000_0000), 0)
    tail[0] = (other, first[start:])
    return len(last) - whole + start
