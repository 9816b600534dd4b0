"""The bill of a month, added up from its lines."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from runsd.sqlite import Sqlite

_BETWEEN = "project = :project and day >= :first and day < :after"
_TOTAL = f"""
select coalesce(sum(nano_vcpu_s), 0) as nano_vcpu_s, count(distinct run_id) as runs
from usage_lines where {_BETWEEN}
"""
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
        self, project: str, first: str, after: str, *, by: str, label: str | None = None
    ) -> Sequence[UsageTotal]:
        """Add up the same days by ``day``, ``run``, ``task`` or ``label``."""
        path = "$." + json.dumps(label) if label is not None else None
        given = {"project": project, "first": first, "after": after, "path": path}
        async with self._adding_up:
            rows = await self._db.all(grouped(by), given)
        return [UsageTotal(row["key"], row["nano_vcpu_s"], row["runs"]) for row in rows]


def grouped(by: str) -> str:
    """Return the statement that adds up the lines of each ``day``, ``run``, ``task`` or ``label``."""
    return f"""
    select {KEYS[by]} as key, sum(nano_vcpu_s) as nano_vcpu_s, count(distinct run_id) as runs
    from usage_lines where {_BETWEEN} group by 1 order by 1
    """
