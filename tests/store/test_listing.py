"""The list of runs: every filter answers exactly, and soon, whatever is asked of however many runs."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import history
import pytest
from history import END, History
from hypothesis import given, settings
from hypothesis import strategies as st
from runsd_sdk.run import RunList, Status

from runsd.store import listing, pages
from runsd.store.database import open_database
from runsd.store.listing import RunFilter
from runsd.store.runs import Runs

FEW = 300
MANY = 20_000
# So that MANY are many times as many.
EXAMINED = 200
# Of SQLite's machine, for each run that is looked at. Those that are shown take about 300.
STEPS = 120

LABELS = [
    *[("team", f"team-{n}") for n in (0, 1)], *[("fold", str(n)) for n in (0, 4)],
    ("host", "even"), ("kept", "yes"), ("experiment", "exp-0000003"), ("no", "such"),
]  # fmt: skip
FILTERS = st.builds(
    RunFilter,
    project=st.just("default"),
    statuses=st.lists(st.sampled_from(Status), max_size=3),
    labels=st.lists(st.sampled_from(LABELS), max_size=3),
    name=st.sampled_from([None, None, "nightly", "train-17", "nobody"]),
    task=st.sampled_from([None, None, "task_0", "task_3", "task_9"]),
    text=st.sampled_from([None, None, None, "ghtl", "TRAIN-1", "train.py --epochs 10", "/cache/%", "_"]),
    created_after_us=st.none() | st.integers(END - 400 * history.DAY, END + history.DAY),
    created_before_us=st.none() | st.integers(END - 400 * history.DAY, END + history.DAY),
    limit=st.sampled_from([1, 3, 50, 1000]),
)
# Conditions that many runs meet and that seldom or never meet one another, and those that nobody meets.
ADVERSE = {
    "nothing asked": RunFilter("default"),
    "labels that never meet": RunFilter("default", labels=[("host", "even"), ("host", "odd")]),
    "values of one label": RunFilter("default", labels=[("team", "team-1"), ("team", "team-2")]),
    "a common label, an old status": RunFilter(
        "default", statuses=[Status.TIMEOUT], labels=[("team", "team-1")]
    ),
    "statuses and labels that never meet": RunFilter(
        "default", statuses=[Status.SUCCEEDED, Status.FAILED], labels=[("host", "even"), ("host", "odd")]
    ),
    "a common name, a rare label": RunFilter("default", name="nightly", labels=[("kept", "yes")]),
    "a common name, an old status": RunFilter("default", name="nightly", statuses=[Status.TIMEOUT]),
    "a task, a name, statuses": RunFilter(
        "default", task="task_1", name="nightly", statuses=[Status.CANCELLED, Status.TIMEOUT]
    ),
    "all statuses, no such name": RunFilter("default", statuses=list(Status), name="nobody"),
    "a text that nobody has": RunFilter("default", text="nobody has this"),
    "before anything": RunFilter("default", created_before_us=END - 500 * history.DAY),
    "a text of old runs, before the end": RunFilter(
        "default", text="no such", statuses=[Status.SUCCEEDED], created_before_us=END - 100 * history.DAY
    ),
    "after the end": RunFilter("default", labels=[("host", "even")], created_after_us=END + history.DAY),
}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short history in which the clock stood an hour back now and then."""
    path = tmp_path_factory.mktemp("few") / "runsd.db"
    asyncio.run(history.make(path, History(FEW)))
    with closing(sqlite3.connect(path)) as db, db:
        hour = 3600 * history.SECOND
        db.execute("update runs set created_us = created_us - ? where rowid % 50 < 5", (hour,))
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A longer history than any page may look through."""
    path = tmp_path_factory.mktemp("many") / "runsd.db"
    asyncio.run(history.make(path, History(MANY)))
    return path


@settings(deadline=None, max_examples=150)
@given(wanted=FILTERS, examined=st.sampled_from([1, 2, 7, 5000]), walk=st.sampled_from([1, 3, 50]))
def test_pages_give_exactly_the_runs_that_match_newest_first_and_none_twice(
    few: Path, wanted: RunFilter, examined: int, walk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "MOST_EXAMINED", examined)
        patch.setattr(pages, "_FIRST_WALK", walk)
        found = asyncio.run(all_pages(few, wanted))
    assert all(len(page.data) <= wanted.limit for page in found)
    assert [run.id for page in found for run in page.data] == matching(few, wanted)


@pytest.mark.parametrize("search_s", [0.0, 3600.0])
def test_a_search_for_a_text_ends_when_its_time_is_over_and_goes_on_where_it_was(
    few: Path, monkeypatch: pytest.MonkeyPatch, search_s: float
) -> None:
    monkeypatch.setattr(pages, "_SEARCH_S", search_s)
    wanted = RunFilter("default", text="train-1", limit=1000)
    found = asyncio.run(all_pages(few, wanted))
    assert (len(found) > 1) is (search_s == 0)
    assert [run.id for page in found for run in page.data] == matching(few, wanted)


def test_a_text_is_looked_for_in_the_beginning_of_a_long_command(few: Path, tmp_path: Path) -> None:
    path = tmp_path / "runsd.db"
    long = ["x" * 4090 + "begin!behind", "y" * 100_000]
    with closing(sqlite3.connect(few)) as db, closing(sqlite3.connect(path)) as copy, copy:
        db.backup(copy)
        ((id,),) = copy.execute("select max(id) from runs").fetchall()
        for words in ("command", "args"):
            copy.execute(
                f"update runs set spec = json_set(spec, '$.{words}', json(?)) where id = ?",
                (json.dumps(long), id),
            )
    for text, runs in (("xBegin!", [id]), ("gin!behind", [])):
        found = asyncio.run(all_pages(path, RunFilter("default", text=text)))
        assert [run.id for page in found for run in page.data] == runs


async def test_a_page_ends_early_where_little_matches_and_says_that_there_may_be_more(many: Path) -> None:
    async with opened(many) as runs:
        page = await runs.page(ADVERSE["labels that never meet"])
    assert page.data == []
    assert page.next_cursor is not None


@pytest.mark.parametrize("wanted", ADVERSE.values(), ids=ADVERSE.keys())
def test_no_filter_makes_a_page_look_through_the_history(wanted: RunFilter, many: Path) -> None:
    ticks: list[None] = []
    with closing(sqlite3.connect(many)) as db:
        db.set_progress_handler(lambda: ticks.append(None), STEPS)
        query = listing.floors(wanted, EXAMINED)
        query = listing.page(wanted, db.execute(query.sql, query.given).fetchone())
        shown = len(db.execute(query.sql, query.given).fetchall())
    assert len(ticks) < EXAMINED + 3 * shown


@pytest.mark.parametrize("wanted", ADVERSE.values(), ids=ADVERSE.keys())
def test_a_page_walks_one_index_in_order_and_sorts_nothing(wanted: RunFilter, few: Path) -> None:
    with closing(sqlite3.connect(few)) as db:
        for n in range(4):  # whichever set is walked
            floors = [None if i == n else "run_0" for i in range(4)]
            for query in (listing.floors(wanted, EXAMINED), listing.page(wanted, floors)):
                plan = [row[3] for row in db.execute(f"explain query plan {query.sql}", query.given)]
                assert not [
                    step for step in plan if re.match("SCAN (?!CONSTANT|json_each)|USE TEMP", step)
                ], plan


async def all_pages(path: Path, wanted: RunFilter) -> list[RunList]:
    """Follow the cursor to the end."""
    async with opened(path) as runs:
        pages = [await runs.page(wanted)]
        while (cursor := pages[-1].next_cursor) is not None:
            pages.append(await runs.page(replace(wanted, cursor=cursor)))
    return pages


def matching(path: Path, wanted: RunFilter) -> list[str]:
    """Return the ids of the runs that match, as one finds them who looks at each."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("select * from runs order by id desc").fetchall()
        labelled = set(db.execute("select run_id, key, value from run_labels").fetchall())
    return [row["id"] for row in rows if _meets(row, {tuple(found) for found in labelled}, wanted)]


def _meets(row: sqlite3.Row, labelled: set[tuple[str, ...]], wanted: RunFilter) -> bool:
    after, before = wanted.created_after_us, wanted.created_before_us
    told = [row["id"], row["name"] or "", "runsd/python:3", " ".join(json.loads(row["spec"])["command"])]
    return (
        (not wanted.statuses or row["status"] in wanted.statuses)
        and (wanted.name is None or row["name"] == wanted.name)
        and (wanted.task is None or row["task"] == wanted.task)
        and (wanted.text is None or any(wanted.text.lower() in each.lower() for each in told))
        and (after is None or row["created_us"] > after)
        and (before is None or row["created_us"] < before)
        and all((row["id"], *label) in labelled for label in wanted.labels)
    )


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Runs]:
    """Open the table of runs for reading."""
    db = await open_database(path)
    try:
        yield Runs(db, clock=lambda: END, new_id=str, hostname="host", price_usd=Decimal(0))
    finally:
        await db.close()


def test_a_history_has_the_schema_of_every_database_and_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "same", "empty"):
        asyncio.run(history.make(tmp_path / name, History(0 if name == "empty" else 100)))
    schemas = {name: _dump(tmp_path / name, schema=True) for name in ("one", "same", "empty")}
    assert schemas["one"] == schemas["empty"]
    assert _dump(tmp_path / "one", schema=False) == _dump(tmp_path / "same", schema=False)


def _dump(path: Path, *, schema: bool) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        lines = list(db.iterdump())
    return sorted(line for line in lines if line.startswith("CREATE") is schema)
