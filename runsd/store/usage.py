"""The bill of a month, added up from its lines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from runsd.sqlite import Sqlite

_BETWEEN = "project = :project and day >= :first and day < :after"
_TOTAL = f"""
select coalesce(sum(nano_vcpu_s), 0) as nano_vcpu_s, count(distinct run_id) as runs
from usage_lines where {_BETWEEN}
"""
_KEYS = {
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
    """The table of usage lines."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def total(self, project: str, first: str, after: str) -> UsageTotal:
        """Add up the days from ``first`` (``2026-11-01``) to before ``after``."""
        row = await self._db.one(_TOTAL, {"project": project, "first": first, "after": after})
        return UsageTotal("", row["nano_vcpu_s"], row["runs"]) if row else UsageTotal("", 0, 0)

    async def groups(
        self, project: str, first: str, after: str, *, by: str, label: str | None = None
    ) -> Sequence[UsageTotal]:
        """Add up the same days by ``day``, ``run``, ``task`` or ``label``."""
        sql = f"""
        select {_KEYS[by]} as key, sum(nano_vcpu_s) as nano_vcpu_s, count(distinct run_id) as runs
        from usage_lines where {_BETWEEN} group by 1 order by 1
        """
        path = "$." + json.dumps(label) if label is not None else None
        given = {"project": project, "first": first, "after": after, "path": path}
        return [UsageTotal(r["key"], r["nano_vcpu_s"], r["runs"]) for r in await self._db.all(sql, given)]
