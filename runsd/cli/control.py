"""``runs cancel``, ``extend`` and ``rm``: what changes a run that exists."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import durations, session
from runsd.cli.options import JsonFlag, RunId, RunIds, understood
from runsd.cli.select import run_id

if TYPE_CHECKING:
    from runsd_sdk import Run


def cancel(ids: RunIds, *, json: JsonFlag = False) -> None:
    """Ask runs to stop.

    They get SIGTERM, and SIGKILL after their grace. What is over stays as it is.
    """
    with session.connected() as client:
        from runsd.cli import output

        runs = [client.cancel(run_id(client, each)) for each in ids]
        if json:
            output.document(runs)
        else:
            output.lines(f"{run.id}  {_cancelling(run)}" for run in runs)


def extend(
    id: RunId,
    by: Annotated[str, typer.Argument(metavar="+DUR|DUR", help="+1h: so much more; 3h: so much in all.")],
    *,
    json: JsonFlag = False,
) -> None:
    """Move the deadline of a live run."""
    understood(lambda text: durations.extended(text, 0), by, "+DUR|DUR")
    with session.connected() as client:
        from runsd.cli import output

        run = client.get(run_id(client, id))
        run = client.extend(run.id, durations.extended(by, run.spec.timeout_seconds))
        if json:
            output.document(run)
        else:
            until = f"until {output.local(run.deadline_at)}" if run.deadline_at else "from its start"
            output.line(f"{run.id}  {durations.written(run.spec.timeout_seconds)} {until}")


def rm(ids: RunIds, *, json: JsonFlag = False) -> None:
    """Forget runs that are over, with their logs. Usage stays."""
    with session.connected() as client:
        from runsd.cli import output

        found = [run_id(client, each) for each in ids]
        for each in found:
            client.delete(each)
            if not json:
                output.line(each)
        if json:
            output.document(found)


def _cancelling(run: "Run") -> str:
    from runsd.cli import output

    return output.state(run) if run.status.terminal else "cancelling"
