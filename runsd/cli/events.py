"""``runs events``: what happened, and what happens."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag

if TYPE_CHECKING:
    from runsd_sdk import Event


def events(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="From now on, as they happen.")] = False,
    json: JsonFlag = False,
) -> None:
    """Print what happened to runs, oldest first."""
    with session.connected() as client:
        from runsd.cli import output

        for event in client.events(follow=follow):
            if json:
                output.json_line(event)
            else:
                _print(event)


def _print(event: "Event") -> None:
    import sys

    from runsd.cli import output

    said = " ".join(f"{key}={value}" for key, value in event.data.items() if value is not None)
    output.line(f"{event.time.astimezone():%Y-%m-%d %H:%M:%S}  {event.run_id}  {event.type}  {said}".rstrip())
    sys.stdout.flush()
