"""The bill of a month: what it comes to, and what made it up by day, label, task or run."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from aiohttp import web
from pydantic import Field
from runsd_sdk.host import Info, Usage, UsageGroup

from runsd.api import system, usage
from runsd.api.call import Call
from runsd.clock import instant
from runsd.store.usage import BEFORE
from runsd.web import live, names
from runsd.web.limits import Limit, shares
from runsd.web.page import Shown, ask

_MOST_GROUPS: Final = 500
_MOST_LIVE: Final = 20_000
_APART_S: Final = 5.0


class MonthQuery(usage.UsageQuery):
    """Which month, and by what its second table is grouped; ``label`` is the key of ``by=label``."""

    by: Annotated[str, Field(pattern=r"^(label|task|run)$")] = "task"
    label: Annotated[str, Field(max_length=128)] = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A line of the second table: what it is called, and where that is; None where it is no more."""

    used: UsageGroup
    name: str
    path: str | None
    deleted: bool = False


async def month(call: Call) -> Shown:
    """Show a month: its days as a chart, one other grouping, and what of it the project may use."""
    query: MonthQuery = call.query
    since = await call.services.events.last_id()
    days = await ask(call, usage.month, Usage, usage.UsageQuery(month=query.month, group_by="day"))
    by = f"label:{query.label}" if query.by == "label" and query.label else query.by
    chosen: Sequence[UsageGroup] | None = None
    if by != "label":
        found = await ask(call, usage.month, Usage, usage.UsageQuery(month=days.month, group_by=by))
        chosen = sorted(found.groups or (), key=lambda group: -group.vcpu_seconds)
    limits = await _limits(call, days.month)
    asked = {"month": days.month, "by": query.by, "label": query.label}
    return Shown(
        "usage.html",
        {
            # A month of very many lines takes seconds to add up; one that is over changes no more.
            "live": limits is not None and days.runs <= _MOST_LIVE,
            "since": since,
            "here": f"{call.request.path}?{urlencode(asked)}",
            "limits": limits,
            "usage": days,
            "bars": _bars(days),
            "by": query.by,
            "label": query.label,
            "group_by": by,
            "groups": None if chosen is None else await _named(call, query, chosen[:_MOST_GROUPS]),
            "more_groups": 0 if chosen is None else max(0, len(chosen) - _MOST_GROUPS),
            "before": _beside(days.month, -1),
            "after": _beside(days.month, 1),
        },
    )


async def follow(call: Call) -> web.StreamResponse:
    """Say when something may have been used, a few seconds apart."""
    return await live.of_projects(call, lambda: [call.project], apart_s=_APART_S)


async def table(call: Call) -> web.Response:
    """Send a month as CSV, as the API has it."""
    return web.Response(
        text=await usage.as_csv(call),
        content_type=usage.CSV,
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )


async def _limits(call: Call, month: str) -> list[Limit] | None:
    """Return what the project may have and has; None where the page is of another month than the present."""
    if month != f"{instant(call.services.clock()):%Y-%m}":
        return None
    return shares(call.services.projects.limits(call.project), await ask(call, system.info, Info))


async def _named(call: Call, query: MonthQuery, groups: Sequence[UsageGroup]) -> list[Group]:
    """Return the groups with the names of their tasks or runs, and where there is more about them."""
    known: Mapping[str, str | None] = {}
    if query.by == "task":
        known = await names.of_tasks(call)
    elif query.by == "run":
        known = await call.services.runs.names(call.project, [group.key for group in groups])
    return [_group(query, group, known) for group in groups]


def _group(query: MonthQuery, group: UsageGroup, known: Mapping[str, str | None]) -> Group:
    key = group.key
    if key in ("", BEFORE):
        return Group(group, key or "none", None)
    if query.by == "label":
        return Group(group, key, f"/runs?{urlencode({'label': f'{query.label}={key}'})}")
    if key not in known:
        return Group(group, key, None, deleted=True)
    return Group(group, known[key] or key, f"/{query.by}s/{quote(key)}")


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
