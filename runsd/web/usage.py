"""The bill of a month: what it comes to, and what made it up by day, label, task or run."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field
from runsd_sdk.host import Usage, UsageGroup

from runsd.api import usage
from runsd.api.call import Call
from runsd.web.page import Shown, ask

_MOST_GROUPS = 500


class MonthQuery(usage.UsageQuery):
    """Which month, and by what its second table is grouped; ``label`` is the key of ``by=label``."""

    by: Annotated[str, Field(pattern=r"^(label|task|run)$")] = "task"
    label: Annotated[str, Field(max_length=128)] = ""


async def month(call: Call) -> Shown:
    """Show a month: its days as a chart, and one other grouping."""
    query: MonthQuery = call.query
    days = await ask(call, usage.month, Usage, usage.UsageQuery(month=query.month, group_by="day"))
    by = f"label:{query.label}" if query.by == "label" and query.label else query.by
    chosen: Sequence[UsageGroup] | None = None
    if by != "label":
        asked = usage.UsageQuery(month=days.month, group_by=by)
        found = await ask(call, usage.month, Usage, asked)
        chosen = sorted(found.groups or (), key=lambda group: -group.vcpu_seconds)
    return Shown(
        "usage.html",
        {
            "usage": days,
            "bars": _bars(days),
            "by": query.by,
            "label": query.label,
            "group_by": by,
            "groups": None if chosen is None else chosen[:_MOST_GROUPS],
            "more_groups": 0 if chosen is None else max(0, len(chosen) - _MOST_GROUPS),
            "before": _beside(days.month, -1),
            "after": _beside(days.month, 1),
        },
    )


async def table(call: Call) -> web.Response:
    """Send a month as CSV, as the API has it."""
    return web.Response(
        text=await usage.as_csv(call),
        content_type=usage.CSV,
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )


def _bars(usage: Usage) -> list[tuple[UsageGroup, float]]:
    """Return each day of the month, and how high its bar is, of 100."""
    found = {group.key: group for group in usage.groups or ()}
    year, month = map(int, usage.month.split("-"))
    days = [f"{usage.month}-{day:02}" for day in range(1, monthrange(year, month)[1] + 1)]
    groups = [found.get(day) or UsageGroup(key=day, vcpu_seconds=0, cost_usd="0", runs=0) for day in days]
    most = max(group.vcpu_seconds for group in groups) or 1.0
    return [(group, 100 * group.vcpu_seconds / most) for group in groups]


def _beside(month: str, step: int) -> str:
    first = datetime.strptime(month, "%Y-%m")  # a month of the calendar, in no zone
    months = first.year * 12 + first.month - 1 + step
    return f"{months // 12:04}-{months % 12 + 1:02}"
