"""Which lines of a log have a text in them: counted in one walk, those next to a place told by number."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from runsd.logs.lines import LineCount
from runsd.logs.reader import Part

ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])")
"""Colours, cursor movements, titles: what a terminal takes and does not show."""
# What is not over for so long is searched as it is.
_LONG_BYTES = 64 * 1024
_SLICE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Matches:
    """How many lines match, and how many of them before a place; the numbers around it, and the last."""

    count: int
    before: int
    previous: list[int]
    following: list[int]
    last: int | None = None


class Searches:
    """All searches. They take turns at one thread, a slice at a time: no number of them takes more than it.

    A line that matches costs 0.3 µs, and a log may have a hundred million of them.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def search(self, count: LineCount, text: str, *, first: int, at: int, most: int) -> Matches:
        """Find a text, in any case of its ASCII letters, in the lines from ``first`` on, as they are shown.

        Names up to so many matching lines before line ``at``, and as many from it on.
        """
        needle = text.encode("utf-8", "replace").lower()
        if not needle:
            return Matches(0, 0, [], [])
        place = count.before(first)
        searching = _Searching(needle, first, at, most, number=place.begun + (not place.within))
        async for data in _slices(count.parts(place.cursor)):
            async with self._turn:
                await asyncio.to_thread(searching.feed, data)
        async with self._turn:
            return await asyncio.to_thread(searching.ended)


async def _slices(parts: AsyncIterator[Part]) -> AsyncIterator[bytes]:
    """Join what comes in small parts: to hand a slice over to another thread costs more than to search it."""
    joined: list[bytes] = []
    size = 0
    async for part in parts:
        for _, data in part.pieces:
            joined.append(data)
            size += len(data)
        if size >= _SLICE_BYTES:
            yield b"".join(joined)
            joined, size = [], 0
    yield b"".join(joined)


@dataclass(slots=True)
class _Searching:
    needle: bytes
    first: int
    at: int
    most: int
    number: int
    """Of the line that is not over."""
    count: int = 0
    before: int = 0
    last: int | None = None
    _previous: deque[int] = field(default_factory=deque)
    _following: list[int] = field(default_factory=list)
    _rest: bytes = b""
    _noted: bool = False
    """Whether it has matched already."""

    def feed(self, data: bytes) -> None:
        """Search the lines that are over now."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if end:
            self._lines(data[:end])
        if len(self._rest) > _LONG_BYTES:
            self._long()

    def ended(self) -> Matches:
        """Search the line that is not over, and return what was found."""
        if self._rest:
            self._lines(self._rest + b"\n")
        return Matches(self.count, self.before, list(self._previous), self._following, self.last)

    def _lines(self, data: bytes) -> None:
        shown = _shown(data)
        start, last = 0, self.number
        if self._noted:
            start, last, self._noted = shown.find(b"\n") + 1, last + 1, False
        for number in self._matching(shown, start, last):
            self._note(number)
        self.number += data.count(b"\n")

    def _matching(self, shown: bytes, start: int, number: int) -> Iterator[int]:
        while (found := shown.find(self.needle, start)) >= 0:
            number += shown.count(b"\n", start, found)
            yield number
            start = shown.find(b"\n", found) + 1
            number += 1

    def _long(self) -> None:
        if not self._noted and self.needle in _shown(self._rest):
            self._note(self.number)
            self._noted = True
        self._rest = self._rest[-4 * len(self.needle) :]

    def _note(self, number: int) -> None:
        if number < self.first:
            return
        self.count += 1
        self.last = number
        if number < self.at:
            self.before += 1
            self._previous.append(number)
            if len(self._previous) > self.most:
                self._previous.popleft()
        elif len(self._following) < self.most:
            self._following.append(number)


def _shown(data: bytes) -> bytes:
    return (ESCAPES.sub(b"", data) if b"\x1b" in data else data).lower()
