"""The databases: what a start of this version would do to them, and what former ones left beside them."""

import shutil
from pathlib import Path
from typing import Final

from runsd_sdk.quantity import format_bytes

from runsd.datadir import LOGS, RESTORING, STATE
from runsd.doctor.finding import Finding, Subject, failure, ok
from runsd.logs import database as logs
from runsd.migrations import copies, schema_of
from runsd.store import database as store

_KNOWN: Final = {STATE: len(store.MIGRATIONS), LOGS: len(logs.MIGRATIONS)}


def databases(subject: Subject) -> Finding:
    """Compare the databases with what this version knows."""
    try:
        if (subject.data_dir / RESTORING).exists():
            return failure(
                "databases", f"{subject.data_dir} is half restored", "repeat `runsd restore` to finish it"
            )
        return _judged(subject.data_dir)
    except OSError as trouble:
        said = f"cannot look at {subject.data_dir}: {trouble.strerror}"
        return failure("databases", said, "see data directory")


def _judged(directory: Path) -> Finding:
    present = {name: schema for name in _KNOWN if (schema := schema_of(directory / name))}
    if newer := [name for name in present if present[name] > _KNOWN[name]]:
        remedy = "start the newer version, or go back to the copies of before (docs/backup.md)"
        return failure("databases", f"{' and '.join(newer)}: written by a newer runsd", remedy)
    older = [name for name in present if present[name] < _KNOWN[name]]
    room = sum((directory / name).stat().st_size for name in older)
    if older and room > shutil.disk_usage(directory).free:
        said = f"no room for copies of {' and '.join(older)} ({format_bytes(room)}), which are to be upgraded"
        return failure("databases", said, f"make room in {directory}: without it the daemon does not start")
    kept = [copy for name in _KNOWN for copy in copies(directory / name).values()]
    words = [_outlook(older, room) if present else "none yet", *(_mentioned(copy) for copy in kept)]
    return ok("databases", "; ".join(words))


def _outlook(older: list[str], room: int) -> str:
    if not older:
        return "up to date"
    return f"{' and '.join(older)} will be brought up to date, with copies of {format_bytes(room)} beside"


def _mentioned(copy: Path) -> str:
    return (
        f"{copy.name} ({format_bytes(copy.stat().st_size)}) is kept from before an upgrade; delete it at will"
    )
