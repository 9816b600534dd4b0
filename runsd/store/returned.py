"""What a program has left behind, on its way into the table of programs."""

import json
import sqlite3
from dataclasses import dataclass

from runsd_sdk.run import RunProblem

_RETURNED = """
insert into programs (run_id, return_value, problems) values (:id, :return_value, :problems)
on conflict (run_id) do update set return_value = excluded.return_value, problems = excluded.problems
"""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a program left behind: its value as JSON text, if it returned one, and its problems."""

    value: str | None = None
    problems: tuple[RunProblem, ...] = ()


def keep_returned(db: sqlite3.Connection, run_id: str, returned: Returned) -> None:
    """Store what an attempt left behind, within the transaction of its end."""
    given = {
        "id": run_id,
        "return_value": returned.value,
        "problems": json.dumps([each.wire() for each in returned.problems]),
    }
    db.execute(_RETURNED, given)
