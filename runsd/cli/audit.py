"""``runs audit``: who changed what."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag

if TYPE_CHECKING:
    from runsd_sdk import AuditEntry


def audit(
    *,
    who: Annotated[
        str | None, typer.Option(metavar="W", help="Only of this user or key, by name or id.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="A", help="Only this, as run.cancel, or all of a kind, as key.")
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", metavar="N", min=1, help="The latest N.")] = 50,
    json: JsonFlag = False,
) -> None:
    """List who changed what, when and from where, newest first.

    It is for admins, and about RUNSD_PROJECT; without that an admin of the host is told of all projects.
    """
    with session.connected() as client:
        from runsd.cli import output

        entries = list(islice(client.audit(who=who, action=action), number))
        if json:
            output.document(entries)
        else:
            output.table(("TIME", "WHO", "FROM", "ACTION", "PROJECT", "WHAT", "RESULT"), map(_row, entries))


def _row(entry: "AuditEntry") -> tuple[str, ...]:
    from runsd.cli import output

    who = entry.who if entry.name is None else f"{entry.who} ({entry.name})"
    what, result = entry.object or "", str(entry.result)
    if entry.result == "refused" and entry.count > 1:
        result = f"{result} {entry.count} times"
    elif entry.count > 1:
        what = f"{what} and {entry.count - 1} more" if what else str(entry.count)
    return (
        output.local(entry.time), who, entry.address, entry.action, entry.project or "", what, result,
    )  # fmt: skip
