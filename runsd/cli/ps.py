"""``runs ps``: which runs there are."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import durations, select, session
from runsd.cli.options import JsonFlag, Labels, pairs

if TYPE_CHECKING:
    from runsd_sdk import Run, RunsClient

RECENT = 5
LIVE = ("pending", "running")


def ps(
    *,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="All runs, not the live and latest.")
    ] = False,
    number: Annotated[
        int | None, typer.Option("--number", "-n", metavar="N", min=1, help="The latest N runs.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(metavar="S", help="Only with this status; may be repeated.")
    ] = None,
    label: Labels = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="T", help="Only with this in name, id, image, command or entrypoint."),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Only what was submitted together with this run.",
            autocompletion=select.complete,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only ids.")] = False,
    json: JsonFlag = False,
) -> None:
    """List the live runs and the latest few, newest first."""
    labels = pairs(label, "--label")
    with session.connected() as client:
        from runsd.cli import output

        if everything or number or status or text or batch:
            among = None if batch is None else select.run_id(client, batch)
            matching = client.iterate(status=status, label=labels, text=text, batch=among)
            runs = list(islice(matching, number))
        else:
            runs = _live_and_latest(client, labels)
        if json:
            output.document(runs)
        elif quiet:
            output.lines(run.id for run in runs)
        else:
            output.table(("ID", "NAME", "IMAGE", "STATE", "EXIT", "CREATED", "RAN"), map(_row, runs))


def _live_and_latest(client: "RunsClient", labels: dict[str, str] | None) -> "list[Run]":
    live = client.iterate(status=LIVE, label=labels)
    latest = islice(client.iterate(label=labels), RECENT)
    found = {run.id: run for run in (*live, *latest)}
    return sorted(found.values(), key=lambda run: run.id, reverse=True)


def _row(run: "Run") -> tuple[str, ...]:
    from runsd.cli import output

    code = "" if run.exit_code is None else str(run.exit_code)
    ran = durations.written(output.ran(run))
    image = run.spec.reference
    image = image if len(image) <= 40 else f"{image[:39]}…"
    return run.id, run.name or "", image, output.state(run), code, output.ago(run.created_at), ran
