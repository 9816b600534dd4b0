"""Databases as an older runsd left them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path


def taken_back(path: Path, migrations: Sequence[str], schema: int) -> None:
    """Turn a database into what it would be had an older runsd written all that is in it."""
    newer = path.with_name(f"{path.name}.newer")
    with closing(sqlite3.connect(path)) as whole:
        whole.execute("pragma journal_mode = delete")  # what is in the WAL is in the file now
    path.rename(newer)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("pragma journal_mode = wal")
        old.executescript("".join(f"{script}\n;" for script in migrations[:schema]))
        old.execute(f"pragma user_version = {schema}")
        old.execute("attach ? as newer", (str(newer),))
        for table in column(old, "select name from main.sqlite_schema where type = 'table'"):
            if table != "sqlite_sequence":
                names = ", ".join(column(old, f"select name from pragma_table_info('{table}', 'main')"))
                old.execute(f"insert into main.{table} ({names}) select {names} from newer.{table}")
    newer.unlink()


def column(database: sqlite3.Connection, query: str) -> list[str]:
    """Return the first column of a query."""
    return [row[0] for row in database.execute(query)]
