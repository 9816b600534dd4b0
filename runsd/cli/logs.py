"""``runs logs``: what a run has written."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag, RunId
from runsd.cli.select import run_id

if TYPE_CHECKING:
    from runsd_sdk import LogEntry
    from runsd_sdk.calls import Stream


def logs(
    id: RunId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
    lines: Annotated[
        str, typer.Option("--lines", "-n", metavar="N|all", help="The last so many lines.")
    ] = "100",
    timestamps: Annotated[
        bool, typer.Option("--timestamps", "-t", help="Begin lines with their time.")
    ] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only what went to stdout.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only what went to stderr.")] = False,
    attempt: Annotated[int | None, typer.Option(metavar="N", help="Only this attempt.", min=1)] = None,
    json: JsonFlag = False,
) -> None:
    """Print what a run wrote, byte for byte.

    The last 100 lines, unless told otherwise.
    """
    stream: Stream = "all" if stdout == stderr else "stdout" if stdout else "stderr"
    tail = _tail(lines)
    with session.connected() as client:
        printer = _Printer(timestamps=timestamps)
        found = run_id(client, id)
        for entry in client.logs(found, follow=follow, stream=stream, tail=tail, attempt=attempt):
            if json:
                from runsd.cli import output

                output.json_line(entry)
            else:
                printer.print(entry, flush=follow)


def _tail(lines: str) -> int | None:
    if lines == "all":
        return None
    if not lines.isdecimal():
        raise typer.BadParameter(f"{lines!r} is neither a number nor all", param_hint="--lines")
    return int(lines)


class _Printer:
    """Writes entries to stdout, so that they can be piped; runsd's own remarks go to stderr."""

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._unfinished: str | None = None

    def print(self, entry: "LogEntry", *, flush: bool) -> None:
        out = sys.stderr.buffer if entry.stream == "system" else sys.stdout.buffer
        if self._timestamps:
            out.write(self._time(entry))
        out.write(entry.data)
        if flush:
            out.flush()

    def _time(self, entry: "LogEntry") -> bytes:
        goes_on = self._unfinished == entry.stream
        self._unfinished = None if entry.data.endswith(b"\n") else entry.stream
        return b"" if goes_on else f"{entry.time:%Y-%m-%dT%H:%M:%S.%fZ} ".encode()
