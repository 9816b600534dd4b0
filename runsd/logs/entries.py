"""Entries: output as JSON, each entry at most a line. Written without a model, for there are millions."""

import json
from base64 import b64encode
from collections.abc import Iterator

from runsd_sdk.wire import format_instant

from runsd.clock import instant
from runsd.engine.port import Stream
from runsd.logs.reader import Cursor, Part, missing_text

_quoted = json.JSONEncoder(ensure_ascii=False).encode


def entries(part: Part) -> Iterator[tuple[Cursor, str]]:
    """Split a part into entries, with a remark where output was not kept.

    Yields the cursor and the JSON of each: a ``LogEntry`` as it writes itself, in a fraction of the time.
    There may be as many as the part has bytes.
    """
    row = part.row
    id, time, stream = row["id"], format_instant(instant(row["at_us"])), Stream(row["stream"])
    if part.missing > 0:
        remark = _quoted(missing_text(part.missing, stream))
        yield _entry(Cursor(id, part.start), _between(time, Stream.SYSTEM), remark)
    between, at = _between(time, stream), part.start
    for line in _lines(part.data):
        at += len(line)
        try:
            text, base64 = _quoted(line.decode()), "null"
        except UnicodeDecodeError:
            text, base64 = _quoted(line.decode(errors="replace")), f'"{b64encode(line).decode()}"'
        yield _entry(Cursor(id, at), between, text, base64)


def _between(time: str, stream: Stream) -> str:
    return f'","time":"{time}","stream":"{stream.name.lower()}","text":'


def _entry(cursor: Cursor, between: str, text: str, base64: str = "null") -> tuple[Cursor, str]:
    return cursor, f'{{"cursor":"{cursor}{between}{text},"base64":{base64}}}'


def _lines(data: bytes) -> Iterator[bytes]:
    """Split after each newline and nowhere else: a carriage return is a program's own matter."""
    *lines, last = data.split(b"\n")
    yield from (line + b"\n" for line in lines)
    if last:
        yield last
