"""``runsd backup`` and ``runsd restore``: all state, logs and uploads in one file, and back."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from runsd_sdk.quantity import format_bytes

from runsd import places
from runsd.clock import now_us
from runsd.errors import RunsdError

_File = Annotated[Path, typer.Argument(help="The backup.")]
_DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where state and logs are kept.")]
_STDOUT = Path("-")


def backup(
    file: Annotated[Path, typer.Argument(help="Where the backup is to be; - writes it to stdout.")],
    data_dir: _DataDir = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Copy state, logs and uploads into one file, while the daemon runs. Volumes are not in it."""
    from runsd.backup import back_up, back_up_to  # only here: the other commands need not wait for it

    source, show = data_dir or places.default_data_dir(), _Progress()
    with _ended_in_order():
        if file == _STDOUT:
            with tempfile.TemporaryDirectory(prefix="runsd-backup-") as scratch:
                made = back_up(
                    source, sys.stdout.buffer, scratch=Path(scratch), clock=now_us, progress=show.copied
                )
        else:
            made = back_up_to(file, source, replace=force, clock=now_us, progress=show.copied)
    show.clear()
    size = format_bytes(made.size)
    sys.stderr.write(f"runsd: backed up {source}: {size}, as of {made.taken_at:%Y-%m-%d %H:%M:%S} UTC\n")


def restore(file: _File, data_dir: _DataDir = None) -> None:
    """Put a backup into an empty data directory that no daemon uses. Read docs/backup.md before."""
    from runsd import restore  # only here: the other commands need not wait for it

    target = data_dir or places.default_data_dir()
    with _ended_in_order():
        made = restore.restore(file, target)
    sys.stderr.write(
        f"runsd: restored {target} as of {made.taken_at:%Y-%m-%d %H:%M:%S} UTC; what came after that is"
        " unknown to it, and containers of such runs are removed when the daemon starts\n"
    )


class _Progress:
    """A line on a terminal; nothing where nobody watches."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()

    def copied(self, name: str, done: int, whole: int) -> None:
        """Show how far a copy is."""
        if self._watched:
            sys.stderr.write(f"\r\033[K{name}: {format_bytes(done)} of {format_bytes(whole)}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._watched:
            sys.stderr.write("\r\033[K")


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Say what is wrong in a sentence, and leave nothing half made also at a SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    except RunsdError as failure:
        sys.stderr.write(f"runsd: {failure}\n")
        raise typer.Exit(1) from failure
