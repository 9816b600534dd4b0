"""Usage over HTTP: the bill of a month, as JSON or CSV."""

import csv
import io
import re
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field
from runsd_sdk.host import Usage, UsageGroup

from runsd import billing
from runsd.api.call import Call, Query, Reply
from runsd.clock import instant
from runsd.store.usage import UsageTotal

CSV = "text/csv"
# But for numbers: one is what it is.
_FORMULA = re.compile(r"(?![+-]?\d+(\.\d+)?\Z)[=+\-@\t\r\n]")


def _group(value: str) -> str:
    if value not in ("day", "task", "run") and not (value.startswith("label:") and len(value) > 6):
        raise ValueError(f"{value[:80]!r} is not a grouping; write day, run, task or label:KEY")
    return value


class UsageQuery(Query):
    """Which month (UTC, the present one by default), and how to group it."""

    month: Annotated[str, Field(pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])$")] | None = None
    group_by: Annotated[str, Field(max_length=140), AfterValidator(_group)] | None = None


async def month(call: Call) -> Reply | web.Response:
    """Return a month's usage."""
    if call.accepts(CSV) is None:
        return Reply(await _month(call))
    return web.Response(text=await as_csv(call), content_type=CSV, charset="utf-8")


async def as_csv(call: Call) -> str:
    """Return a month's usage as CSV, with a header and a line for all."""
    return _csv(await _month(call))


async def _month(call: Call) -> Usage:
    query: UsageQuery = call.query
    services = call.services
    billed = services.settings.billing
    named = query.month or instant(services.clock()).strftime("%Y-%m")
    first, after = _days(named)
    total = await services.usage_lines.total(call.project, first, after)
    bill = billing.month(
        total.nano_vcpu_s, free_vcpu_s=billed.free_vcpu_seconds, price_usd=billed.price_per_vcpu_second_usd
    )
    return Usage(
        month=named,
        vcpu_seconds=billing.vcpu_seconds(bill.nano_vcpu_s),
        free_vcpu_seconds=float(billed.free_vcpu_seconds),
        billable_vcpu_seconds=billing.vcpu_seconds(bill.billable_nano_vcpu_s),
        price_per_vcpu_second_usd=billing.money(billed.price_per_vcpu_second_usd),
        cost_usd=billing.money(bill.cost_usd),
        runs=total.runs,
        groups=await _groups(call, query.group_by, first, after),
    )


async def _groups(call: Call, group_by: str | None, first: str, after: str) -> list[UsageGroup] | None:
    if group_by is None:
        return None
    by, _, label = group_by.partition(":")
    made = call.services.projects.get(call.project).created_at
    totals = await call.services.usage_lines.groups(
        call.project, first, after, by=by, label=label or None, made=made
    )
    price = call.services.settings.billing.price_per_vcpu_second_usd

    def group(total: UsageTotal) -> UsageGroup:
        return UsageGroup(
            key=total.key,
            vcpu_seconds=billing.vcpu_seconds(total.nano_vcpu_s),
            cost_usd=billing.money(billing.cost_usd(total.nano_vcpu_s, price)),
            runs=total.runs,
        )

    return [group(total) for total in totals]


def _csv(usage: Usage) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("month", "key", "vcpu_seconds", "cost_usd", "runs"))
    for group in usage.groups or ():
        rows.writerow((usage.month, cell(group.key), group.vcpu_seconds, group.cost_usd, group.runs))
    rows.writerow((usage.month, "total", usage.vcpu_seconds, usage.cost_usd, usage.runs))
    return text.getvalue()


def cell(text: str) -> str:
    """Return a text as no spreadsheet takes it for a formula: anybody in the project may have written it."""
    return f"'{text}" if _FORMULA.match(text) else text


def _days(month: str) -> tuple[str, str]:
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.strftime("%Y-%m-%d"), following.strftime("%Y-%m-%d")
