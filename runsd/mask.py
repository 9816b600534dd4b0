"""The mask: values that nobody may see are covered in what a run writes, byte for byte. Pure.

Every byte of every occurrence is covered, however the output is cut into pieces, and each character by one of
the same length: places in what is stored are places in what was written, so that both can be compared.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

SHORTEST = 4
"""A value, or a line of one, of fewer characters is in too much that is none."""

# A longer line is looked for in pieces of this length; so is no more than this held back of live output.
_LONGEST = 1024
# What may be covered for the sake of non-ASCII values that lie across a cut of the Engine's record.
_MOST_CUT = 64
_REPLACED = "\ufffd"
_COVERS = {1: "*", 2: "¤", 3: "•", 4: "🔒"}
# Shorter text was not cut by those who shorten names, messages, stack traces and representations.
_MAYBE_CUT = 255
_LEFT_OUT = re.compile(r"(\n\[\.\.\. \d+ characters left out \.\.\.\]\n)")

Span = tuple[int, int]


class Mask:
    """Covers the lines of some values, as they are and as JSON and URLs have them."""

    def __init__(self, values: Iterable[str]) -> None:
        found = {form for value in values for line in _lines(value) for form in _forms(line)}
        patterns = sorted({piece for form in found for piece in _pieces(form)}, key=len)
        cut = [form for pattern in patterns for form in _cut_forms(pattern)][:_MOST_CUT]
        self._patterns = [_Pattern(text.encode()) for text in (*patterns, *cut)]

    def whole(self, data: bytes, *, cut: bool = False) -> bytes:
        """Cover them in what is no part of anything longer, or with ``cut`` may be."""
        spans = list(self.found(data))
        if cut:
            spans += [(self.beginning(data, SHORTEST), len(data)), (0, self._ending(data))]
        return covered(data, spans)

    def text(self, text: str) -> str:
        """Cover them in a text, which may have been shortened."""
        parts = _LEFT_OUT.split(text)
        cut = len(parts) > 1 or len(text) >= _MAYBE_CUT
        return "".join(
            self.whole(part.encode("utf-8", "surrogatepass"), cut=cut).decode("utf-8", "surrogatepass")
            for part in parts
        )

    def json(self, value: Any) -> Any:
        """Cover them in all texts and numbers of a JSON value."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(key): self.json(below) for key, below in value.items()}
            case list():
                return [self.json(below) for below in value]
            case int() | float() if not isinstance(value, bool):
                written = json.dumps(value)
                shown = self.text(written)
                return value if shown == written else shown
        return value

    def found(self, data: bytes) -> Iterator[Span]:
        """Walk all occurrences, also those that overlap."""
        for pattern in self._patterns:
            yield from pattern.found(data)

    def beginning(self, data: bytes, least: int = 1) -> int:
        """Return from where on the end of the data may be the beginning of an occurrence."""
        at = min((pattern.beginning(data) for pattern in self._patterns), default=len(data))
        return at if len(data) - at >= least else len(data)

    def _ending(self, data: bytes) -> int:
        """Return up to where the beginning of the data may be the end of an occurrence."""
        end = max((pattern.ending(data) for pattern in self._patterns), default=0)
        return end if end >= SHORTEST else 0


class Masking:
    """A mask over one stream of bytes, which comes in any pieces."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = b""
        self._spans: list[Span] = []

    def feed(self, data: bytes) -> bytes:
        """Return what can be said of what came; the possible beginning of a value is held back."""
        seen = self._held + data if self._held else data
        spans = [*self._spans, *self._mask.found(seen)]
        end = self._mask.beginning(seen)
        self._held = seen[end:]
        self._spans = [(max(0, start - end), stop - end) for start, stop in spans if stop > end]
        return covered(seen[:end], spans)

    def finish(self) -> bytes:
        """Return what was held back: nothing follows it, so it is no value."""
        return covered(self._held, self._spans)


class _Pattern:
    """Bytes to look for."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        # Where it can follow itself this soon, a whole row of it is found at once.
        self._period = next((n for n in (1, 2, 3) if pattern[n:] == pattern[:-n]), 0)
        again = re.escape(pattern[-self._period :])
        self._row = re.compile(re.escape(pattern) + b"(?:" + again + b")*") if self._period else None

    def found(self, data: bytes) -> Iterator[Span]:
        size = len(self._pattern)
        at = data.find(self._pattern)
        while at >= 0:
            if self._row is None:
                yield at, at + size
                at = data.find(self._pattern, at + SHORTEST)
            else:
                row = self._row.match(data, at)
                end = at + size if row is None else row.end()
                yield at, end
                at = data.find(self._pattern, end - self._period + 1)

    def beginning(self, data: bytes) -> int:
        at = max(0, len(data) - len(self._pattern) + 1)
        while (at := data.find(self._pattern[:1], at)) >= 0:
            if self._pattern.startswith(data[at:]):
                return at
            at += 1
        return len(data)

    def ending(self, data: bytes) -> int:
        end = min(len(data), len(self._pattern) - 1)
        while (end := data.rfind(self._pattern[-1:], 0, end) + 1) > 0:
            if self._pattern.endswith(data[:end]):
                return end
            end -= 1
        return 0


def covered(data: bytes, spans: Iterable[Span]) -> bytes:
    """Return the data with something else in these places, which begin and end with characters."""
    result: bytearray | None = None
    for start, end in spans:
        if start < len(data) and start < end:
            result = bytearray(data) if result is None else result
            result[start:end] = _cover(data[start:end])
    return data if result is None else bytes(result)


@lru_cache(256)
def _cover(data: bytes) -> bytes:
    """Return what stands in the place of some text: a character of the same length for each."""
    if data.isascii():
        return b"*" * len(data)
    text = data.decode(errors="surrogateescape")
    return "".join(
        one if one == _REPLACED else "*" if "\udc80" <= one <= "\udcff" else _COVERS[len(one.encode())]
        for one in text
    ).encode()


def _lines(value: str) -> Iterator[str]:
    for line in value.splitlines():
        if len(line.strip()) >= SHORTEST:
            yield line.strip()


def _forms(line: str) -> set[str]:
    """Return how a line may be written."""
    return {line, json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1], quote(line, safe="")}


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= _LONGEST:
        yield text
        return
    for at in range(0, len(text), _LONGEST):
        yield text[at : at + _LONGEST] if at + _LONGEST <= len(text) else text[-_LONGEST:]


def _cut_forms(pattern: str) -> Iterator[str]:
    """Walk what the Engine's record has for it where a line is cut inside a character: see logs/record.py."""
    for at, one in enumerate(pattern):
        if (size := len(one.encode("utf-8", "surrogatepass"))) > 1:
            yield pattern[:at] + size * _REPLACED + pattern[at + 1 :]
