"""The bill of a month, added up from its lines."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runsd.clock import micros
from runsd.ids import earliest
from runsd.sqlite import Sqlite

_BETWEEN = "project = :project and day >= :first and day < :after"
_TOTAL = f"""
select coalesce(sum(nano_vcpu_s), 0) as nano_vcpu_s, count(distinct run_id) as runs
from usage_lines where {_BETWEEN}
"""
BEFORE = "(a former project)"
KEYS = {
    "day": "day",
    "run": "run_id",
    "task": "coalesce(task, '')",
    "label": "coalesce(json_extract(labels, :path), '')",
}


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """One sum over lines: exact nano-vCPU-seconds, and of how many runs."""

    key: str
    nano_vcpu_s: int
    runs: int


class UsageLines:
    """The table of usage lines.

    A month of a million lines takes a second or two to add up: one bill at a time, so that of the connections
    for reading there is always one that everybody else gets quickly.
    """

    def __init__(self, db: Sqlite) -> None:
        self._db = db
        self._adding_up = asyncio.Lock()

    async def total(self, project: str, first: str, after: str) -> UsageTotal:
        """Add up the days from ``first`` (``2026-11-01``) to before ``after``."""
        async with self._adding_up:
            row = await self._db.one(_TOTAL, {"project": project, "first": first, "after": after})
        return UsageTotal("", row["nano_vcpu_s"], row["runs"]) if row else UsageTotal("", 0, 0)

    async def groups(
        self,
        project: str,
        first: str,
        after: str,
        *,
        by: str,
        label: str | None = None,
        made: datetime | None = None,
    ) -> Sequence[UsageTotal]:
        """Add up the same days by ``day``, ``run``, ``task`` or ``label``.

        What is from before the project was ``made``, so from a deleted one of its name, counts, but nobody is
        told of its runs, tasks and labels: they are one group.
        """
        path = "$." + json.dumps(label) if label is not None else None
        since = "" if made is None else earliest("run", micros(made))
        given = {"project": project, "first": first, "after": after, "path": path}
        given |= {"since": since, "before": BEFORE}
        async with self._adding_up:
            rows = await self._db.all(grouped(by), given)
        return [UsageTotal(row["key"], row["nano_vcpu_s"], row["runs"]) for row in rows]


def grouped(by: str) -> str:
    """Return the statement that adds up the lines of each ``day``, ``run``, ``task`` or ``label``."""
    return f"""
    select {_key(by)} as key, sum(nano_vcpu_s) as nano_vcpu_s, count(distinct run_id) as runs
    from usage_lines where {_BETWEEN} group by 1 order by 1
    """


def _key(by: str) -> str:
    return KEYS[by] if by == "day" else f"iif(run_id < :since, :before, {KEYS[by]})"
