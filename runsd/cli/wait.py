"""``runs wait``: until runs are over, with the exit code of the first that failed."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import durations, session
from runsd.cli.options import JsonFlag, RunIds, understood
from runsd.cli.select import run_id

if TYPE_CHECKING:
    from runsd_sdk import RunResult, RunsClient


def wait(
    ids: RunIds,
    *,
    timeout: Annotated[str | None, typer.Option(metavar="DUR", help="How long to wait, such as 10m.")] = None,
    json: JsonFlag = False,
) -> None:
    """Wait until runs are over, and exit as they did.

    The code is the first that is not 0. Giving up after --timeout exits 125, and the runs go on.
    """
    patience = understood(durations.seconds, timeout, "--timeout")
    with session.connected(stands_for_run=True) as client:
        from runsd.cli import output
        from runsd.cli.outcome import exit_code

        found = [run_id(client, each) for each in ids]
        until = None if patience is None else time.monotonic() + patience
        results = []
        for each in found:
            result = _wait(client, each, until)
            results.append(result)
            if not json:
                output.line(f"{result.id}  {output.state(result)}  {result.message or ''}".rstrip())
        if json:
            output.document(results)
        raise typer.Exit(next((code for code in map(exit_code, results) if code), 0))


def _wait(client: "RunsClient", each: str, until: float | None) -> "RunResult":
    from runsd_sdk import WaitTimeout

    from runsd.cli.outcome import NOT_THE_PROGRAM

    try:
        return client.wait(each, None if until is None else max(0.0, until - time.monotonic()))
    except WaitTimeout as error:
        said = f"stopped waiting: {error.run.id} is still {error.run.phase}; it goes on"
        session.fail(said, code=NOT_THE_PROGRAM)
