"""The file ``logs.db``: what runs wrote and how much they used, apart from their state.

A flood of output thus never stands before a change of state.
"""

from pathlib import Path

from runsd.sqlite import Sqlite

MIGRATIONS = tuple(file.read_text() for file in sorted((Path(__file__).parent / "migrations").glob("*.sql")))
"""The way from nothing to the newest schema, whose number is their count."""


async def open_logs(path: Path) -> Sqlite:
    """Open the output of all runs, bringing it to the newest schema. Raises NotNow."""
    return await Sqlite.open(path, MIGRATIONS)
