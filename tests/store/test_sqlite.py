"""The database file: durable when a write returns, atomic per job, honest about what it cannot open."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from runsd.errors import NotNow
from runsd.faults import Step
from runsd.sqlite import Sqlite, statements
from runsd.store.database import instance_of, open_database
from runsd.writer import Job

STEP = Step.CHANGE  # whichever

TABLE = "create table numbers (n integer primary key check (n < 1000)) strict"


@pytest.fixture
async def numbers(path: Path) -> AsyncIterator[Sqlite]:
    db = await Sqlite.open(path, [TABLE])
    yield db
    await db.close()


def put(*numbers: int) -> Job[int]:
    def job(db: sqlite3.Connection) -> int:
        for n in numbers:
            db.execute("insert into numbers values (?)", (n,))
        return len(numbers)

    return job


def stored(path: Path) -> list[int]:
    """Read as another process would."""
    other = sqlite3.connect(path)
    try:
        return [n for (n,) in other.execute("select n from numbers order by n")]
    finally:
        other.close()


async def test_what_was_written_is_there_for_everyone_when_the_write_returns(
    numbers: Sqlite, path: Path
) -> None:
    assert await numbers.write(put(1, 2), STEP) == 2
    assert stored(path) == [1, 2]
    assert [row["n"] for row in await numbers.all("select n from numbers order by n")] == [1, 2]


async def test_a_hundred_writers_and_one_that_fails(numbers: Sqlite, path: Path) -> None:
    writes = [numbers.write(put(n), STEP) for n in range(100)]
    failing = numbers.write(put(500, 50, 600), STEP)  # its second number is taken
    *counts, failure = await asyncio.gather(*writes, failing, return_exceptions=True)
    assert counts == [1] * 100
    assert isinstance(failure, sqlite3.IntegrityError)
    assert stored(path) == list(range(100))


async def test_a_hundred_writers_share_their_commits(numbers: Sqlite, path: Path) -> None:
    commits: list[str] = []
    await numbers.write(lambda db: db.set_trace_callback(commits.append), STEP)
    await asyncio.gather(*(numbers.write(put(n), STEP) for n in range(100)))
    assert len([sql for sql in commits if sql.lower() == "commit"]) < 5
    await numbers.write(lambda db: db.set_trace_callback(None), STEP)


async def test_a_fault_of_a_job_is_told_to_its_caller_alone(numbers: Sqlite, path: Path) -> None:
    def faulty(db: sqlite3.Connection) -> None:
        db.execute("insert into numbers values (7)")
        raise ZeroDivisionError

    failure, count = await asyncio.gather(
        numbers.write(faulty, STEP), numbers.write(put(8), STEP), return_exceptions=True
    )
    assert isinstance(failure, ZeroDivisionError)
    assert count == 1
    assert stored(path) == [8]


async def test_a_cancelled_callers_job_is_whole_all_the_same(numbers: Sqlite, path: Path) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    tell = asyncio.get_running_loop().call_soon_threadsafe

    def slow(db: sqlite3.Connection) -> None:
        db.execute("insert into numbers values (1)")
        tell(begun.set)
        assert go_on.wait(60)
        db.execute("insert into numbers values (2)")

    caller = asyncio.create_task(numbers.write(slow, STEP))
    await begun.wait()
    behind = asyncio.create_task(numbers.write(put(3, 4), STEP))  # cancelled before its turn
    await asyncio.sleep(0)
    caller.cancel()
    behind.cancel()
    go_on.set()
    await asyncio.gather(caller, behind, return_exceptions=True)
    assert caller.cancelled()
    await numbers.write(put(5), STEP)
    assert stored(path) in ([1, 2, 3, 4, 5], [1, 2, 5])


async def test_a_reader_sees_a_commit_and_never_half_a_job(numbers: Sqlite) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    tell = asyncio.get_running_loop().call_soon_threadsafe

    def half(db: sqlite3.Connection) -> None:
        db.execute("insert into numbers values (1)")
        tell(begun.set)
        assert go_on.wait(60)

    writing = asyncio.create_task(numbers.write(half, STEP))
    await begun.wait()
    assert await numbers.all("select * from numbers") == []
    go_on.set()
    await writing
    assert len(await numbers.all("select * from numbers")) == 1


async def test_a_reader_that_is_lent_out_does_not_stop_a_writer(numbers: Sqlite, path: Path) -> None:
    async with numbers.reading() as reader, reader.execute("select 1"):
        await numbers.write(put(1), STEP)
    assert stored(path) == [1]


async def test_a_full_disk_refuses_in_words_and_loses_nothing_before_it(numbers: Sqlite, path: Path) -> None:
    await numbers.write(put(1), STEP)
    await numbers.write(lambda db: db.execute("pragma max_page_count = 1"), STEP)  # as many as there are

    def large(db: sqlite3.Connection) -> None:
        db.execute("create table large (x)")
        db.execute("insert into large values (zeroblob(1000000))")

    with pytest.raises(NotNow, match="free some disk space") as caught:
        await numbers.write(large, STEP)
    assert caught.value.code == "disk"
    await numbers.write(lambda db: db.execute("pragma max_page_count = 1000000"), STEP)
    await numbers.write(put(2), STEP)
    assert stored(path) == [1, 2]


async def test_what_was_handed_in_is_written_before_the_close(path: Path) -> None:
    db = await Sqlite.open(path, [TABLE])
    writes = [asyncio.create_task(db.write(put(n), STEP)) for n in range(10)]
    await asyncio.sleep(0)
    await db.close()
    assert await asyncio.gather(*writes) == [1] * 10
    assert stored(path) == list(range(10))


async def test_migrations_are_applied_once_and_in_order(path: Path) -> None:
    second = "alter table numbers add column name text; update numbers set name = 'old'"
    first = await Sqlite.open(path, [TABLE])
    await first.write(put(1), STEP)
    await first.close()
    for _ in range(2):
        db = await Sqlite.open(path, [TABLE, second])
        assert [tuple(row) for row in await db.all("select n, name from numbers")] == [(1, "old")]
        row = await db.one("pragma user_version")
        assert row is not None
        assert row[0] == 2
        await db.close()


async def test_a_migration_that_fails_leaves_the_schema_before_it(path: Path) -> None:
    await (await Sqlite.open(path, [TABLE])).close()
    with pytest.raises(NotNow, match="cannot open the database"):
        await Sqlite.open(path, [TABLE, "create table more (x); insert into nowhere values (1)"])
    db = await Sqlite.open(path, [TABLE])
    assert await db.all("select name from sqlite_schema where name = 'more'") == []
    await db.close()


async def test_a_file_of_a_newer_runsd_is_refused_by_a_sentence(path: Path) -> None:
    await (await Sqlite.open(path, [TABLE, "create table more (x)"])).close()
    with pytest.raises(NotNow, match=r"a newer runsd \(schema 2, this one knows 1\); start the newer"):
        await Sqlite.open(path, [TABLE])


async def test_what_is_no_database_is_refused_by_a_sentence(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    for place in (path, tmp_path / "nowhere" / "runsd.db"):
        with pytest.raises(NotNow, match=f"cannot open the database {place}"):
            await Sqlite.open(place, [TABLE])


async def test_the_schema_from_nothing_and_a_second_start(path: Path) -> None:
    names = []
    for _ in range(2):
        db = await open_database(path)
        names.append(await instance_of(db))
        tables = {row["name"] for row in await db.all("select name from sqlite_schema where type = 'table'")}
        assert {"runs", "attempts", "usage_lines", "events", "volumes"} <= tables
        assert await db.all("pragma foreign_key_check") == []
        await db.close()
    assert names[0] == names[1]
    assert len(names[0]) == 12


async def test_every_connection_is_durable_and_checks_references(numbers: Sqlite) -> None:
    def pragma(db: sqlite3.Connection, name: str) -> object:
        return db.execute(f"pragma {name}").fetchone()[0]

    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2: FULL
    for name, value in wanted.items():
        assert await numbers.write(partial(pragma, name=name), STEP) == value
    async with numbers.reading() as one, numbers.reading() as other:
        for reader in (one, other):
            for name in ("journal_mode", "foreign_keys"):
                ((value,),) = await reader.execute_fetchall(f"pragma {name}")
                assert value == wanted[name]


def test_statements_are_read_by_name(tmp_path: Path) -> None:
    file = tmp_path / "some.sql"
    file.write_text("-- a comment\n\n-- name: one\nselect 1\n\n-- name: two\nselect 2 -- name: no\n")
    assert statements(file) == {"one": "select 1", "two": "select 2 -- name: no"}


async def test_a_reader_that_was_abandoned_shows_nobody_an_old_state(numbers: Sqlite) -> None:
    """A cursor whose caller is cancelled as it is opened stays open for a while: moments and more."""

    async def abandoned() -> None:
        async with numbers.reading() as reader, reader.execute("select n from numbers") as rows:
            async for _ in rows:
                await asyncio.sleep(0)

    for n in range(150):
        await numbers.write(put(n), STEP)
        leaving = [asyncio.create_task(abandoned()) for _ in range(2)]
        for _ in range(n % 5):
            await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await numbers.write(put(500 + n), STEP)
        for _ in range(2):
            found = await numbers.one("select count(*) as many from numbers")
            assert found is not None
            assert found["many"] == 2 * (n + 1)


async def test_what_is_asked_for_stops_when_who_asked_has_left(numbers: Sqlite) -> None:
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def begin() -> None:
        loop.call_soon_threadsafe(begun.set)

    async def ask() -> None:
        async with numbers.reading() as reader:
            await reader.create_function("begin_", 0, begin)
            endless = "with recursive t (n) as (select begin_() union all select 1 from t)"
            await reader.execute_fetchall(f"{endless} select count(*) from t")

    asking = asyncio.create_task(ask())
    await begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(60), numbers.reading(), numbers.reading() as second:
        assert await second.execute_fetchall("select 1")
