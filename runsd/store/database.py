"""The file ``runsd.db``: its schema, and who this installation is."""

import sqlite3
import uuid
from pathlib import Path

from runsd.faults import Step
from runsd.sqlite import Sqlite

MIGRATIONS = tuple(file.read_text() for file in sorted((Path(__file__).parent / "migrations").glob("*.sql")))
"""The way from nothing to the newest schema, whose number is their count."""


async def open_database(path: Path) -> Sqlite:
    """Open the state of all runs, bringing it to the newest schema. Raises NotNow."""
    return await Sqlite.open(path, MIGRATIONS)


async def instance_of(db: Sqlite) -> str:
    """Return the name by which this installation knows its containers, made at its first start."""

    def job(connection: sqlite3.Connection) -> str:
        connection.execute(
            "insert or ignore into meta (key, value) values ('instance', ?)", (uuid.uuid4().hex[:12],)
        )
        rows = connection.execute("select value from meta where key = 'instance'").fetchall()
        return str(next(iter(rows))[0])

    return await db.write(job, Step.INSTANCE)
