"""Logs on real files: durable when flushed, bounded by head and tail, never in a writer's way."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runsd.errors import NotNow
from runsd.faults import Step
from runsd.logs.reader import RESULT_BYTES, Cursor, LogQuery, Seen
from runsd.signals import woken
from tests.store.logbook import CAP, ERR, OUT, RUN, SYSTEM, Book, entries_of, numbered, open_book

STEP = Step.CHANGE  # whichever

SLACK = 1024**2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs.db"


@pytest.fixture
async def logs(path: Path) -> AsyncIterator[Book]:
    async with open_book(path) as logs:
        yield logs


def stored(path: Path) -> bytes:
    """Read as another process would."""
    other = sqlite3.connect(path)
    try:
        return b"".join(data for (data,) in other.execute("select data from chunks order by id"))
    finally:
        other.close()


async def test_flushed_output_is_on_disk_and_exact(logs: Book, path: Path) -> None:
    binary = bytes(range(256)) * 10 + b"\r50%\r100%\0no newline"
    await logs.written((OUT, binary), (ERR, b"oh"), (OUT, b"!"))
    assert stored(path) == binary + b"oh!"
    assert await logs.text(OUT) == binary + b"!"
    assert await logs.text(ERR) == b"oh"


async def test_output_is_stored_without_a_flush_soon_after_it_came(logs: Book, path: Path) -> None:
    capture = await logs.writer.capture(RUN, 1)
    with logs.signals.listening(f"log:{RUN}") as told:
        await capture.feed(OUT, b"one\n")
        assert await woken(told, 10)
    assert stored(path) == b"one\n"


async def test_half_a_character_is_stored_by_the_flush(logs: Book, path: Path) -> None:
    await logs.written((OUT, "5 €".encode()[:-1]))
    assert stored(path) == "5 €".encode()[:-1]


async def test_a_flush_of_nothing_returns(logs: Book) -> None:
    assert (await logs.written()).captured.stdout_bytes == 0


async def test_positions_count_what_is_fed_also_before_it_is_stored(logs: Book) -> None:
    capture = await logs.writer.capture(RUN, 1)
    await capture.feed(OUT, "€".encode()[:2])
    await capture.feed(ERR, b"abc")
    assert (capture.positions[OUT], capture.positions[ERR]) == (2, 3)
    await capture.flush()
    assert (capture.positions[OUT], capture.positions[ERR]) == (2, 3)


async def test_the_next_daemon_goes_on_behind_the_last_stored_byte(path: Path) -> None:
    async with open_book(path) as logs:
        await logs.written((OUT, b"abc"), (ERR, b"x"))
    async with open_book(path) as logs:
        capture = await logs.writer.capture(RUN, 1)
        assert (capture.positions[OUT], capture.positions[ERR], capture.positions[SYSTEM]) == (3, 1, 0)
        await capture.feed(OUT, b"def")
        await capture.flush()
        assert await logs.text(OUT) == b"abcdef"
        assert all(part.missing == 0 for part in await logs.parts())
        assert (capture.captured.stdout_bytes, capture.captured.stderr_bytes) == (6, 1)


async def test_attempts_and_runs_keep_to_themselves(logs: Book) -> None:
    await logs.written((OUT, b"first\n"))
    await logs.written((OUT, b"second\n"), attempt=2)
    assert await logs.text() == b"first\nsecond\n"
    query = LogQuery(RUN, 2)
    assert [part.data async for part in logs.reader.parts(query)] == [b"second\n"]
    assert [part async for part in logs.reader.parts(LogQuery("run_2"))] == []
    assert await logs.reader.last_bytes(RUN, 1, OUT) == (b"first\n", False)


async def test_many_writers_are_stored_each_in_order(logs: Book) -> None:
    captures = [await logs.writer.capture(f"run_{n}", 1) for n in range(20)]
    for line in range(50):
        for n, capture in enumerate(captures):
            await capture.feed(OUT, f"{n}:{line}\n".encode())
    await asyncio.gather(*(capture.flush() for capture in captures))
    for n in range(20):
        parts = [part.data async for part in logs.reader.parts(LogQuery(f"run_{n}"))]
        assert b"".join(parts).decode() == "".join(f"{n}:{line}\n" for line in range(50))


async def test_a_full_disk_slows_the_program_and_loses_nothing(logs: Book, path: Path) -> None:
    capture = await logs.written((OUT, b"before\n"))
    await logs.db.write(lambda db: db.execute("pragma max_page_count = 1"), STEP)  # as many as there are
    large = b"x" * 300_000
    await capture.feed(OUT, large)
    flushing = asyncio.create_task(capture.flush())
    assert not await woken_within(flushing, 0.2)
    await logs.db.write(lambda db: db.execute("pragma max_page_count = 1000000"), STEP)
    await asyncio.wait_for(flushing, 10)
    assert stored(path) == b"before\n" + large
    assert not capture.captured.truncated


async def woken_within(task: "asyncio.Task[None]", seconds: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done)


# Too much output


async def test_of_too_much_output_head_and_tail_are_kept_with_a_remark_between(logs: Book) -> None:
    whole = numbered(CAP + 2 * SLACK)
    capture = await logs.writer.capture(RUN, 1)
    await logs.flooded(capture, OUT, len(whole))
    assert capture.captured.truncated
    assert capture.captured.stdout_bytes == len(whole)
    parts = await logs.parts()
    kept = b"".join(part.data for part in parts)
    assert CAP <= len(kept) <= CAP + SLACK
    gaps = [n for n, part in enumerate(parts) if part.missing]
    assert len(gaps) == 1
    head = b"".join(part.data for part in parts[: gaps[0]])
    tail = b"".join(part.data for part in parts[gaps[0] :])
    assert len(head) >= CAP // 4
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert parts[gaps[0]].missing == len(whole) - len(kept)
    remark, *_ = entries_of(parts[gaps[0]])
    assert (remark.stream, remark.text) == (
        "system", f"[runsd: {len(whole) - len(kept)} bytes of stdout were not kept here]\n",
    )  # fmt: skip


async def test_a_gap_is_told_to_who_follows_slowly_and_to_who_comes_back(logs: Book) -> None:
    capture = await logs.written((ERR, b"once\n"))
    await logs.flooded(capture, OUT, CAP)
    seen: Seen = {}
    walk = logs.reader.parts(LogQuery(RUN), seen=seen)
    read = [await anext(walk), await anext(walk)]
    await logs.flooded(capture, OUT, 2 * SLACK)
    read += [part async for part in walk]
    read += [part async for part in logs.reader.parts(LogQuery(RUN, since=read[-1].end), seen=seen)]
    back = await logs.parts(since=read[1].end)
    for parts in (read, read[:2] + back):
        assert [part.missing > 0 for part in parts].count(True) == 1
        missing = sum(part.missing for part in parts)
        assert missing + sum(len(part.data) for part in parts) == CAP + 2 * SLACK + 5


async def test_who_follows_is_told_nothing_of_what_was_dropped_behind_it(logs: Book) -> None:
    capture = await logs.written((OUT, b"head\n"))
    seen: Seen = {}
    since = Cursor()
    for _ in range(4 * CAP // 65_536):
        await logs.flooded(capture, OUT, 65_536)
        async for part in logs.reader.parts(LogQuery(RUN, since=since), seen=seen):
            assert part.missing == 0
            since = part.end
    assert capture.captured.truncated


async def test_a_gap_is_told_once_also_to_who_comes_back_behind_it(logs: Book) -> None:
    capture = await logs.written()
    await logs.flooded(capture, OUT, CAP + 2 * SLACK)
    parts = await logs.parts()
    gap = next(part for part in parts if part.missing)
    remark, line, *_ = entries_of(gap)
    for cursor in (remark.cursor, line.cursor, str(gap.end)):
        assert all(part.missing == 0 for part in await logs.parts(since=Cursor.parse(cursor)))


async def test_a_gap_of_a_stream_is_told_to_who_comes_back_in_another(logs: Book) -> None:
    capture = await logs.written((ERR, numbered(SLACK)), (OUT, b"here\n"))
    here = (await logs.parts(OUT))[-1].end
    await logs.flooded(capture, ERR, 2 * SLACK)
    assert [part.missing > 0 for part in await logs.parts(since=here)].count(True) == 1


async def test_too_much_output_in_small_pieces_is_bounded_too(logs: Book) -> None:
    capture = await logs.writer.capture(RUN, 1)
    for n in range((CAP + SLACK) // 64 + 4000):
        await capture.feed(OUT if n % 2 else ERR, b"%063d\n" % n)
    await capture.flush()
    row = await logs.db.one("select sum(length(data)) as size from chunks")
    assert row is not None
    assert row["size"] <= CAP + SLACK
    assert capture.captured.truncated


async def test_two_streams_that_both_write_too_much_keep_head_and_tail(path: Path) -> None:
    cap = 4 * CAP
    async with open_book(path, cap=cap) as logs:
        capture = await logs.writer.capture(RUN, 1)
        for _ in range(2 * cap // 65_536):
            await capture.feed(OUT, b"o" * 32_768)
            await capture.feed(ERR, b"e" * 32_768)
            await capture.flush()
        for _ in range(2):  # whatever is kept at the moment, between the cap and its slack
            parts = await logs.parts()
            gap = next(n for n, part in enumerate(parts) if part.missing)
            head, tail = (sum(len(p.data) for p in some) for some in (parts[:gap], parts[gap:]))
            assert min(head, tail) >= cap // 5
            assert head + tail <= cap + SLACK
            await capture.feed(OUT, b"o" * SLACK)
            await capture.flush()


async def test_a_disk_that_was_full_for_a_while_costs_no_output_later(path: Path) -> None:
    async with open_book(path) as logs:
        capture = await logs.written((OUT, numbered(CAP)))
        added = numbered(SLACK)
        for refused in (True, True, False):

            def job(db: sqlite3.Connection, *, refused: bool = refused) -> int:
                kept = capture.trim(db, len(added), CAP)
                if refused:
                    raise NotNow("no")
                return kept

            if refused:
                with pytest.raises(NotNow):
                    await logs.db.write(job, STEP)
            else:
                assert await logs.db.write(job, STEP) == CAP + SLACK


async def test_output_under_the_cap_is_whole(logs: Book) -> None:
    whole = numbered(CAP)
    capture = await logs.written((OUT, whole))
    assert not capture.captured.truncated
    assert await logs.text() == whole


async def test_what_a_former_daemon_dropped_is_still_known_to_be_missing(path: Path) -> None:
    async with open_book(path) as logs:
        capture = await logs.writer.capture(RUN, 1)
        await logs.flooded(capture, OUT, CAP + 2 * SLACK)
    async with open_book(path) as logs:
        again = await logs.writer.capture(RUN, 1)
        assert again.captured == capture.captured
        assert again.captured.truncated


# The end of a stream


@pytest.mark.parametrize("extra", [-1, 0, 1, 300_000])
async def test_the_last_mebibyte_is_exact_and_says_whether_there_was_more(extra: int, path: Path) -> None:
    whole = numbered(RESULT_BYTES + 300_000)[: RESULT_BYTES + extra]
    async with open_book(path, cap=8 * SLACK) as logs:
        await logs.written((ERR, b"not this"), (OUT, whole[:700]), (ERR, b"nor this"), (OUT, whole[700:]))
        assert await logs.reader.last_bytes(RUN, 1, OUT) == (whole[-RESULT_BYTES:], extra > 0)
        assert await logs.reader.last_bytes(RUN, 1, ERR) == (b"not thisnor this", False)
        assert await logs.reader.last_bytes(RUN, 2, OUT) == (b"", False)


async def test_the_end_of_a_stream_has_no_hole_in_it(logs: Book) -> None:
    whole = numbered(CAP + 2 * SLACK)
    capture = await logs.writer.capture(RUN, 1)
    await logs.flooded(capture, OUT, len(whole))
    end, cut = await logs.reader.last_bytes(RUN, 1, OUT)
    assert cut
    assert end
    assert whole.endswith(end)
