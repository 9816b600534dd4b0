"""How SQLite carries out every statement: none reads a table that grows with the history from end to end."""

import asyncio
import importlib
import pkgutil
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import history
import pytest
from history import History

import runsd.store
from runsd.sqlite import statements
from runsd.store import usage

# Tables of few rows, and indexes of the runs that are not over, may be read whole.
SMALL = re.compile(
    r"SCAN (CONSTANT ROW|json_each|value|meta|volumes|p|projects|project_members|secret_values|v|unfinished"
    r"|keys|webhooks|w|wanted|tasks|t|schedules|s|h|hooks|last_five|one_run"
    r"|\S+ USING (COVERING )?INDEX (runs_(queue|live|backing_off|expiring)|schedule_instants_waiting))"
)
# Counting reads the pages of the smallest index: about a millisecond for a million runs, once a minute.
COUNTED = re.compile(r"SCAN (runs|webhook_deliveries) USING COVERING INDEX")
STORE = Path(runsd.store.__file__).parent


def named_statements() -> Iterator[tuple[str, str]]:
    """Walk every statement of the store, by where it is written."""
    for file in sorted(STORE.glob("*.sql")):
        yield from ((f"{file.stem}.{name}", sql) for name, sql in statements(file).items())
    for found in pkgutil.iter_modules([str(STORE)]):
        module = importlib.import_module(f"runsd.store.{found.name}")
        for name, value in vars(module).items():
            if isinstance(value, str) and re.match(r"\s*(select|insert|update|delete|with)\b", value):
                yield f"{found.name}.{name}", value
    for by in usage.KEYS:
        yield f"usage.grouped {by}", usage.grouped(by)


STATEMENTS = dict(named_statements())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "runsd.db"
    asyncio.run(history.make(path, History(0)))
    return path


def test_the_statements_are_found() -> None:
    assert {"runs.finish", "events._AFTER", "volumes._LIST", "usage.grouped day"} <= STATEMENTS.keys()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_scans_what_grows(name: str, empty: Path) -> None:
    with closing(sqlite3.connect(empty)) as db:
        given: dict[str, Any] = defaultdict(int)
        plan = [row[3] for row in db.execute(f"explain query plan {STATEMENTS[name]}", given)]
    if name in ("retention.count_ended", "deliveries.count"):
        plan = [step for step in plan if not COUNTED.match(step)]
    assert not [step for step in plan if step.startswith("SCAN") and not SMALL.match(step)], plan
