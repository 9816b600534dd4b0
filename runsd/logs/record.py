"""What the Engine's own record (its json-file log) makes of output: cut lines, and characters replaced. Pure.

The Engine cuts a line at 16 KiB counted from its start, and again every 16 KiB behind that (moby:
daemon/logger/copier.go). Each part is a string of JSON, and Go puts U+FFFD (three bytes) in the place of
every byte that is not part of a character there (moby: daemon/logger/jsonfilelog). A character that lies
across a cut is none in either part. Whoever compares places in the record with places in the output counts
as it does.
"""

import re

from runsd.logs.pieces import whole_characters

CUT_BYTES = 16 * 1024
REPLACED = "\ufffd".encode()

_NEWLINE = b"\n"
_ESCAPED = re.compile("[\udc80-\udcff]")
# {"log":"…","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"} and a newline, at the end.
_AROUND_A_LINE = 72
_LONGEST = 6
_CHUNK_BYTES = 64 * 1024
_LONG = bytes([*range(0x20), *b"<>&"])  # \u0000, \u003c: six bytes, or fewer
_SHORT = b'"\\'


class Recorder:
    """The recorded form of one stream, fed in any pieces from its first byte on."""

    def __init__(self) -> None:
        self.pending = b""
        """The beginning of a character at the end of what was fed: its record depends on the rest."""
        self._column = 0

    def feed(self, data: bytes) -> bytes:
        """Return what the record holds of these bytes, and of what was pending."""
        data = self.pending + data
        recorded: list[bytes] = []
        part = at = 0
        column = self._column - len(self.pending)
        while (cut := at + CUT_BYTES - column) <= len(data):
            newline = data.rfind(_NEWLINE, at, cut)
            at = newline + 1 if newline >= 0 else cut
            column = 0
            if newline < 0:
                recorded.append(as_recorded(data[part:cut]))
                part = cut
        newline = data.rfind(_NEWLINE, at)
        self._column = column + len(data) - at if newline < 0 else len(data) - newline - 1
        end = part + whole_characters(data[part:])
        self.pending = data[end:]
        recorded.append(as_recorded(data[part:end]))
        return b"".join(recorded)

    def skip(self, size: int) -> None:
        """Go on behind bytes that are not known; cuts are right again from the next newline on."""
        self.pending = b""
        self._column = (self._column + size) % CUT_BYTES

    def finish(self) -> bytes:
        """Return what the record holds of what was pending when the stream has ended."""
        pending, self.pending = self.pending, b""
        return as_recorded(pending)


def as_recorded(data: bytes) -> bytes:
    """Return what the record holds for one line, or part of a line, or several lines that are not cut."""
    try:
        data.decode()
    except UnicodeDecodeError:
        # "surrogateescape" marks each offending byte by itself, as Go does.
        return _ESCAPED.sub("\ufffd", data.decode(errors="surrogateescape")).encode()
    return data


class Written:
    """How many bytes the Engine has written at most for the output that it was fed."""

    def __init__(self) -> None:
        self._size = 0
        self._lines = 0
        self._batch: list[bytes] = []
        self._waiting = 0

    def feed(self, recorded: bytes) -> int:
        """Count a line, or a part of one, and return the sum."""
        self._batch.append(recorded)
        self._lines += 1
        self._waiting += len(recorded)
        if self._waiting > _CHUNK_BYTES:
            self._size += _most_written(b"".join(self._batch))
            self._batch.clear()
            self._waiting = 0
        return self._size + _LONGEST * self._waiting + _AROUND_A_LINE * self._lines


def _most_written(recorded: bytes) -> int:
    size = len(recorded) + 3 * recorded.count(b"\xef") + 3 * recorded.count(b"\xe2")
    long = len(recorded) - len(recorded.translate(None, _LONG))
    short = len(recorded) - len(recorded.translate(None, _SHORT))
    newlines = recorded.count(_NEWLINE)
    return size + 5 * (long - newlines) + short + newlines
