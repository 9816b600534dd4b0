"""A log by its lines: any window of it is that part of its text, whatever is added or deleted meanwhile."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runsd.engine.port import Stream
from runsd.logs import lines as module
from runsd.logs.lines import HEAD_BYTES, TAIL_BYTES, Line, Lines, read
from runsd.logs.reader import LogQuery
from runsd.logs.search import Searches
from tests.store.logbook import ERR, OUT, RUN, SYSTEM, Book, open_book

pieces = st.binary(max_size=6) | st.sampled_from([b"\n", b"a\n", b"\n\n", b"x\ny\nz", b"\r", "€\n".encode()])
outputs = st.lists(st.tuples(st.sampled_from([OUT, ERR, SYSTEM]), pieces), max_size=30)
choices = st.sampled_from([(OUT,), (ERR,), (SYSTEM, OUT, ERR)])


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def text_of(book: Book, view: LogQuery) -> bytes:
    """Return the text of a log as the API gives it."""
    found = [part async for part in book.reader.parts(view)]
    return b"".join(data for part in found for _, data in part.pieces)


def joined(found: list[Line]) -> bytes:
    return b"".join(b"".join(data for _, data in line.pieces) + b"\n" * line.ended for line in found)


def split(text: bytes) -> list[bytes]:
    """Split after newlines alone."""
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@given(outputs, outputs, choices, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_windows_joined_are_the_whole_text_and_each_is_its_part_of_it(
    output: list[tuple[Stream, bytes]],
    more: list[tuple[Stream, bytes]],
    chosen: tuple[Stream, ...],
    size: int,
) -> None:
    async def test() -> None:
        with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_APART_CHUNKS", 2)
            patch.setattr(module, "_MOST_PLACES", 6)
            async with open_book(Path(directory) / "logs.db") as book:
                lines, view = Lines(book.reader), LogQuery(RUN, None, chosen)
                for attempt, fed in enumerate((output, more), 1):
                    for one in fed:
                        await book.written(one, attempt=attempt)
                    count = await lines.counted(view)
                    text = split(await text_of(book, view))
                    assert count.total == len(text)
                    found: list[Line] = []
                    while window := await read(count, len(found) + 1, size):
                        found += window
                    assert [line.number for line in found] == list(range(1, len(text) + 1))
                    assert [joined([line]) for line in found] == text
                    for first in range(1, len(text) + 2):
                        assert await read(count, first, size) == found[first - 1 : first - 1 + size]
                    for line in found:
                        rest = await text_of(book, replace(view, since=line.cursor))
                        assert rest == b"".join(text[line.number :])

    run(test())


@given(outputs, choices, st.sampled_from(["a", "x", "€", "y\x1b", "A"]), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_lines_that_match_are_those_that_hold_the_text(
    output: list[tuple[Stream, bytes]], chosen: tuple[Stream, ...], sought: str, first: int, at: int
) -> None:
    async def test() -> None:
        with TemporaryDirectory() as directory:
            async with open_book(Path(directory) / "logs.db") as book:
                await book.written(*output)
                view = LogQuery(RUN, None, chosen)
                count = await Lines(book.reader).counted(view)
                text = split(await text_of(book, view))
                hits = [n for n, line in enumerate(text, 1) if sought.lower().encode() in line.lower()]
                hits = [n for n in hits if n >= first]
                found = await Searches().search(count, sought, first=first, at=at, most=2)
                before, behind = [n for n in hits if n < at], [n for n in hits if n >= at]
                assert (found.count, found.before) == (len(hits), len(before))
                assert (found.previous, found.following) == (before[-2:], behind[:2])
                assert found.last == (hits[-1] if hits else None)

    run(test())


async def test_what_is_sought_is_what_is_shown_also_across_chunks_and_in_endless_lines(
    tmp_path: Path,
) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        red = b"an \x1b[1;31merr\x1b[0mor\n"
        await book.written((OUT, red), (ERR, b"no err"), (OUT, b"or, or\n"))
        await book.written((OUT, b"x" * 500_000 + b"Error" + b"y" * 500_000 + b" error\n"), (OUT, b"error"))
        count = await Lines(book.reader).counted(LogQuery(RUN))
        found = await Searches().search(count, "error", first=1, at=3, most=9)
        assert (found.previous, found.following) == ([1, 2], [3, 4])


async def test_of_a_long_line_the_beginning_and_the_end_are_read_and_the_middle_is_left_where_it_is(
    tmp_path: Path,
) -> None:
    async with open_book(tmp_path / "logs.db", cap=1024**3) as book:
        long = "€".encode() * 3_000_000
        await book.written((OUT, b"one\n"), (OUT, long), (ERR, b"end"), (OUT, b"\nlast"))
        count = await Lines(book.reader).counted(LogQuery(RUN))
        one, two, three = await read(count, 1, 10)
        assert (one.pieces, one.omitted) == (((OUT, b"one"),), 0)
        assert (three.pieces, three.ended) == (((OUT, b"last"),), False)
        (_, head), (_, tail), end = two.pieces
        assert end == (ERR, b"end")
        assert two.resumes == 1
        assert head == long[: HEAD_BYTES // 3 * 3]
        assert TAIL_BYTES - 6 <= len(tail) <= TAIL_BYTES and tail.decode() == "€" * (len(tail) // 3)
        assert two.omitted == len(long) - len(head) - len(tail)
        read_bytes = sum([len(part.data) async for part in book.reader.parts(LogQuery(RUN))])
        assert read_bytes == len(long) + 12


async def test_lines_are_counted_anew_when_output_was_not_kept(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        lines, view = Lines(book.reader), LogQuery(RUN)
        capture = await book.writer.capture(RUN, 1)
        await book.flooded(capture, OUT, 1024**2)
        before = (await lines.counted(view)).total
        assert before == 65_536
        await book.flooded(capture, OUT, 4 * 1024**2)
        count = await lines.counted(view)
        text = split(await text_of(book, view))
        assert count.total == len(text)
        (gap,) = [n for n, line in enumerate(text, 1) if b"not kept here" in line]
        window = await read(count, gap - 2, 5)
        assert [joined([line]) for line in window] == text[gap - 3 : gap + 2]
        assert [stream for stream, _ in window[2].pieces] == [SYSTEM]
        await book.writer.discard(RUN, 1)
        assert (await lines.counted(view)).total == 0


async def test_a_count_that_was_broken_off_does_not_miss_what_is_deleted_then(tmp_path: Path) -> None:
    async with open_book(tmp_path / "logs.db") as book:
        lines, view = Lines(book.reader), LogQuery(RUN)
        await book.written(*[(OUT, b"%d\n" % n) for n in range(3)])
        count = await lines.counted(view)
        await book.flooded(await book.writer.capture(RUN, 2), OUT, 4 * 1024**2)
        extending = asyncio.create_task(count.extend())
        before = count.total
        while count.total == before:
            await asyncio.sleep(0)
        extending.cancel()
        await asyncio.gather(extending, return_exceptions=True)
        assert extending.cancelled()
        await book.writer.discard(RUN, 2)
        assert (await lines.counted(view)).total == len(split(await text_of(book, view)))
