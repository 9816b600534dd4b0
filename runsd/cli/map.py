"""``runs map``: one run for each value of a variable, watched until all are over."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import over, session
from runsd.cli.options import JsonFlag, SpecOptions, describes_run, understood
from runsd.cli.run import Command, Detach, File, Image, described

if TYPE_CHECKING:
    from runsd_sdk import RunHandle, RunsClient


@describes_run
def map(
    image: Image = None,
    command: Command = None,
    *,
    options: SpecOptions,
    over_: Annotated[
        str, typer.Option("--over", metavar="KEY=a,b,c|KEY=0..8", help="One run for each value of $KEY.")
    ],
    detach: Detach = False,
    file: File = None,
    json: JsonFlag = False,
) -> None:
    """Run a container once for each value of a variable.

    Exits 0 if all runs succeeded, else 1. The first Ctrl-C cancels all runs, the second leaves them.
    """
    values = understood(over.parse, over_, "--over")
    fields = described(image, command, options, file)
    with session.connected() as client:
        from runsd.cli.interrupts import interrupts
        from runsd.cli.outcome import FAILED

        with interrupts(client, unconfirmed=FAILED) as ours:
            handles = []
            for part in _submit(client, fields, values, options.idempotency_key):
                ours.take([handle.id for handle in part])
                handles += part
                if ours.asked:  # what is not submitted yet need not be cancelled
                    break
            if detach and not ours.asked:
                return _print_ids(handles, json=json)
            raise typer.Exit(_watched(client, handles, values, json=json))


def _submit(
    client: "RunsClient", common: dict[str, object], values: over.Over, key: str | None
) -> "Iterator[list[RunHandle]]":
    from runsd_sdk import calls, fields

    named = common.get("name")
    patches = [
        {"env": {values.key: value}, **({"name": f"{named}-{value}"} if named else {})}
        for value in values.values
    ]
    specs = fields.spread(common, patches)
    for start in range(0, len(specs), calls.BATCH):
        part = specs[start : start + calls.BATCH]
        own_key = f"{key}-{start}" if key else None
        yield client.create_batch(part, idempotency_key=own_key)


def _watched(client: "RunsClient", handles: "list[RunHandle]", values: over.Over, *, json: bool) -> int:
    from runsd.cli import output
    from runsd.cli.board import Board
    from runsd.cli.watch import Watch

    # Not strict: a Ctrl-C leaves the last values without a run.
    board = Board(values.key, dict(zip([handle.id for handle in handles], values.values, strict=False)))
    watch = Watch(client, board)
    if json:
        watch.silently()
    elif sys.stdout.isatty():
        watch.on_terminal()
    else:
        watch.line_by_line()
    if json:
        output.document([client.result(handle.id) for handle in handles])
    session.say(board.summary())
    return 0 if board.all_succeeded else 1


def _print_ids(handles: "list[RunHandle]", *, json: bool) -> None:
    from runsd.cli import output

    if json:
        output.document([handle.run for handle in handles])
    else:
        output.lines(handle.id for handle in handles)
