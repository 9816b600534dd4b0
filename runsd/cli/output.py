"""What commands write on stdout: tables, JSON, bytes; colours only where a person looks."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from runsd_sdk.run import Run, Status
from runsd_sdk.wire import Answer

from runsd.cli import durations

_COLOUR: Final = {
    Status.PENDING: "33",
    Status.RUNNING: "36",
    Status.SUCCEEDED: "32",
    Status.FAILED: "31",
    Status.CANCELLED: "35",
    Status.TIMEOUT: "31",
}


def document(value: Any) -> None:
    """Write one JSON document."""
    sys.stdout.write(json.dumps(_json(value), indent=2, ensure_ascii=False) + "\n")


def json_line(value: Answer) -> None:
    """Write one line of a stream of JSON documents."""
    sys.stdout.write(json.dumps(value.wire(), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def line(text: str = "") -> None:
    """Write a line of data."""
    sys.stdout.write(f"{text}\n")


def lines(texts: Iterable[str]) -> None:
    """Write lines of data."""
    for text in texts:
        line(text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write aligned columns. Cells may be coloured: an escape sequence takes no room."""
    all_rows = [list(header), *(list(row) for row in rows)]
    widths = [max(_width(row[n]) for row in all_rows) for n in range(len(header))]
    for row in all_rows:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        line("  ".join(cells).rstrip())


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Write names and values, one pair a line; a value of several lines is indented below its name."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        line(f"{name + ':':<{width + 1}}  " + value.replace("\n", "\n" + " " * (width + 3)))


def state(run: Run) -> str:
    """Return a run's status, with what says more: its phase while it lives, its reason when it failed."""
    said = run.status.value
    if not run.status.terminal and run.phase.value != run.status.value:
        said = run.phase.value
    elif run.reason is not None and run.reason.value not in ("exited", said, "deadline_exceeded"):
        said = f"{said} ({run.reason.value})"
    return coloured(said, _COLOUR[run.status])


def coloured(text: str, colour: str) -> str:
    """Return a text in a colour, if stdout is a terminal that shows colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def ran(run: Run) -> timedelta | None:
    """Return how long a run has run."""
    if run.started_at is None:
        return None
    return (run.finished_at or datetime.now(UTC)) - run.started_at


def ago(instant: datetime) -> str:
    """Write how long ago an instant was."""
    return durations.written(datetime.now(UTC) - instant) + " ago"


def local(instant: datetime | None) -> str:
    """Write an instant in the person's own time zone."""
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S %Z}" if instant else ""


def money(usd: str) -> str:
    """Write an exact amount."""
    return f"${usd}"


def _width(cell: str) -> int:
    return len(cell) - 9 if cell.startswith("\x1b[") else len(cell)


def _json(value: Any) -> Any:
    if isinstance(value, Answer):
        return value.wire()
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return value
