"""``runs usage``: the bill of a month."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag

if TYPE_CHECKING:
    from runsd_sdk import Usage


def usage(
    *,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="The present month by default.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="day|label:K|task|run", help="A line for each of these.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    json: JsonFlag = False,
) -> None:
    """Show what the runs of a month cost."""
    with session.connected() as client:
        from runsd.cli import output

        if csv:
            output.line(client.usage_csv(month, group_by=by).rstrip("\n"))
            return
        found = client.usage(month, group_by=by)
        if json:
            output.document(found)
        else:
            _print(found)


def _print(found: "Usage") -> None:
    from runsd.cli import output

    if found.groups is not None:
        rows = [
            (group.key, f"{group.vcpu_seconds:.6f}", output.money(group.cost_usd), str(group.runs))
            for group in found.groups
        ]
        output.table(("KEY", "VCPU-SECONDS", "COST", "RUNS"), rows)
        output.line()
    output.fields(
        (
            ("month", found.month),
            ("runs", str(found.runs)),
            ("used", f"{found.vcpu_seconds:.6f} vCPU-seconds"),
            ("free", f"{found.free_vcpu_seconds:.0f} vCPU-seconds"),
            ("billable", f"{found.billable_vcpu_seconds:.6f} vCPU-seconds"),
            ("price", f"{output.money(found.price_per_vcpu_second_usd)} per vCPU-second"),
            ("cost", output.money(found.cost_usd)),
        )
    )
