"""Reading a log: from any cursor on exactly, and from the end by any number of lines."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runsd_sdk.run import LogEntry

from runsd.engine.port import Stream
from runsd.errors import Refused
from runsd.logs.reader import Cursor, LogQuery
from tests.store.logbook import ERR, OUT, RUN, SYSTEM, Book, entries_of, open_book

streams = st.sampled_from([OUT, ERR])
QUOTED = b'"\\/\b\f\t\x1f\x7f<&\xe2\x80\xa8'
binaries = st.binary(max_size=8) | st.sampled_from(
    [b"\n", b"a\n", b"\r", "€".encode(), b"\xe2\x82", b"\0\n", QUOTED]
)
outputs = st.lists(st.tuples(streams, binaries), max_size=30)
choices = st.sampled_from([(OUT,), (ERR,), (SYSTEM, OUT, ERR)])


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def read(book: Book, chosen: tuple[Stream, ...], since: Cursor | None = None) -> list[LogEntry]:
    parts = await book.parts(*chosen, since=since)
    return [entry for part in parts for entry in entries_of(part)]


async def bytes_of(book: Book, chosen: tuple[Stream, ...], since: Cursor | None = None) -> bytes:
    return await book.text(*chosen, since=since)


def joined(found: list[LogEntry]) -> bytes:
    return b"".join(entry.data for entry in found)


@given(outputs, choices)
@settings(max_examples=40, deadline=None)
def test_from_the_cursor_of_any_entry_follows_exactly_the_rest(
    output: list[tuple[Stream, bytes]], chosen: tuple[Stream, ...]
) -> None:
    async def test() -> None:
        with TemporaryDirectory() as directory:
            async with open_book(Path(directory) / "logs.db") as book:
                await book.written(*output)
                found = await read(book, chosen)
                assert joined(found) == await bytes_of(book, chosen)
                for n, entry in enumerate(found):
                    since = Cursor.parse(entry.cursor)
                    assert await read(book, chosen, since) == found[n + 1 :]
                    assert await bytes_of(book, chosen, since) == joined(found[n + 1 :])

    run(test())


@given(outputs)
@settings(max_examples=40, deadline=None)
def test_the_entries_of_a_stream_are_the_stream_and_no_longer_than_a_line(
    output: list[tuple[Stream, bytes]],
) -> None:
    async def test() -> None:
        with TemporaryDirectory() as directory:
            async with open_book(Path(directory) / "logs.db") as book:
                await book.written(*output)
                for stream in (OUT, ERR):
                    found = await read(book, (stream,))
                    assert joined(found) == b"".join(data for of, data in output if of is stream)
                    assert all(entry.data.find(b"\n") in (-1, len(entry.data) - 1) for entry in found)
                    assert {entry.stream for entry in found} <= {stream.name.lower()}

    run(test())


@given(outputs, choices, st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_the_tail_is_the_last_lines_of_what_was_chosen(
    output: list[tuple[Stream, bytes]], chosen: tuple[Stream, ...], lines: int
) -> None:
    async def test() -> None:
        with TemporaryDirectory() as directory:
            async with open_book(Path(directory) / "logs.db") as book:
                await book.written(*output)
                await book.written((OUT, b"next\nattempt"), attempt=2)
                whole = await bytes_of(book, chosen)
                since = await book.reader.tail(LogQuery(RUN, None, chosen), lines)
                assert await bytes_of(book, chosen, since) == last_lines(whole, lines)

    run(test())


def last_lines(text: bytes, count: int) -> bytes:
    lines = split(text)
    return b"".join(lines[len(lines) - min(count, len(lines)) :])


def split(text: bytes) -> list[bytes]:
    """Split after newlines alone."""
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@pytest.mark.parametrize("lines", [0, 1, 2, 17, 99, 100, 101, 10_000])
@pytest.mark.parametrize("end", [b"", b"\n", b"and more"])
async def test_a_long_log_is_read_from_its_end_page_by_page(lines: int, end: bytes, tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        feeds = [(OUT if n % 2 else ERR, b"line %d\n" % n) for n in range(100)]
        await book.written(*feeds, (OUT, end))
        whole = b"".join(data for _, data in feeds) + end
        since = await book.reader.tail(LogQuery(RUN), lines)
        assert await book.text(since=since) == last_lines(whole, lines)
        assert len(await book.parts()) > 50


async def test_an_empty_log_has_an_empty_tail(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        assert await book.reader.tail(LogQuery(RUN), 5) == Cursor()
        assert await book.parts() == []


async def test_exact_bytes_are_given_where_text_cannot_be(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        await book.written((OUT, b"good\nb\xffd\n\xf0\x9f\n"))
        found = await read(book, (OUT,))
        assert [entry.text for entry in found] == ["good\n", "b�d\n", "�\n"]
        assert [entry.base64 is None for entry in found] == [True, False, False]
        assert [entry.data for entry in found] == [b"good\n", b"b\xffd\n", b"\xf0\x9f\n"]


async def test_a_remark_of_runsd_is_an_entry_of_its_own(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        capture = await book.written((OUT, b"one\n"))
        await capture.remark("[runsd: something]")
        await capture.flush()
        assert [(entry.stream, entry.text) for entry in await read(book, ())] == [
            ("stdout", "one\n"),
            ("system", "[runsd: something]\n"),
        ]
        assert await book.text(OUT) == b"one\n"


async def test_followers_that_are_woken_together_are_answered_together(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        await book.written((OUT, b"one\n"))
        asked: list[str] = []
        async with book.db.reading() as one, book.db.reading() as other:
            for connection in (one, other):
                await connection.set_trace_callback(asked.append)
        for wanted in (b"one\n", b"one\ntwo\n"):
            asked.clear()
            assert await asyncio.gather(*(book.text() for _ in range(20))) == [wanted] * 20
            assert len(asked) == 1
            await book.written((OUT, b"two\n"))


async def test_a_reader_that_leaves_takes_nothing_from_those_who_read_along(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        await book.written((OUT, b"one\n"))
        leaving, *staying = [asyncio.create_task(book.text()) for _ in range(3)]
        await asyncio.sleep(0)
        leaving.cancel()
        assert await asyncio.gather(*staying) == [b"one\n"] * 2


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "-1.0", "1.-1", "1.0.0", "a.b", "\uff11.0", "1e3.0", "9" * 60]
)
def test_what_was_never_a_cursor_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(Refused) as caught:
        Cursor.parse(text)
    assert caught.value.errors == ((("since",), "it is not a cursor; take one from an entry of this log"),)


async def test_a_cursor_from_far_beyond_reads_nothing(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        await book.written((OUT, b"one\n"))
        for text in ("99.0", f"{10**30}.{10**5}", "1.999999"):
            assert await book.text(since=Cursor.parse(text)) == b""
        assert str(Cursor.parse("12.34")) == "12.34"
