"""Migrations: an older database becomes one of today, in place, with a copy of what it was beside it.

Either the whole way to the newest schema is one transaction, or nothing has changed. The copy is made before
it and is named after its schema, ``runsd.db.schema-1``: an older runsd can go on with it.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from runsd import faults
from runsd.errors import NotNow
from runsd.faults import Step
from runsd.files import copy_whole, require_room

log = structlog.get_logger()

_HEADER_BYTES = 100
_PATIENCE_S = 10.0


def migrate(path: Path, migrations: Sequence[str]) -> None:
    """Bring a database file to the newest schema, or make it; ``migrations[n]`` leads to schema n + 1.

    Nobody else may write to the file meanwhile. Raises NotNow, and changes nothing, when the file was written
    by a newer runsd, cannot be read, or has no room for its copy; sqlite3.Error when a migration fails.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
    try:
        connection.execute("pragma synchronous = full")
        present: int = connection.execute("pragma user_version").fetchone()[0]
        if present > len(migrations):
            raise NotNow(_too_new(path, present, len(migrations)))
        if present < len(migrations):
            # Free pages can be given back to the disk, some at a time: heeded in a new file, and only here.
            connection.execute("pragma auto_vacuum = incremental")
            connection.execute("pragma journal_mode = wal")
            if present:
                _copy(connection, path, present)
            _apply(connection, migrations[present:], first=present + 1)
            if present:
                log.info("database.migrated", file=str(path), schema=len(migrations), before=present)
    finally:
        connection.close()


def schema_of(path: Path) -> int:
    """Return the schema of a database file by its header, without opening it as a database; 0 for none.

    A migration that was killed as it ended may stand in the file's WAL alone: the next start tells.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return 0
    return int.from_bytes(header[60:64], "big")  # https://www.sqlite.org/fileformat.html#user_version_number


def copies(path: Path) -> dict[int, Path]:
    """Return the copies beside a database, by their schema."""
    found = ((file.name.rpartition("-")[2], file) for file in path.parent.glob(f"{path.name}.schema-*"))
    return {int(number): file for number, file in sorted(found) if number.isdecimal()}


def _copy(connection: sqlite3.Connection, path: Path, present: int) -> None:
    """Put a copy beside the file: all of its WAL is in it by then, and nobody writes while it is copied."""
    connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    connection.execute("begin immediate")
    try:
        if _wal_bytes(path):
            raise NotNow(
                f"cannot migrate {path}: another process is using it (a backup?); try again after it"
            )
        size, began = path.stat().st_size, time.monotonic()
        purpose = f"copy {path} before it is brought to a newer schema"
        require_room(path.parent, size, purpose)
        copy = path.with_name(f"{path.name}.schema-{present}")
        log.info("database.copying", file=str(path), copy=str(copy), size=size)
        faults.before(Step.COPY_DATABASE)
        try:
            copy_whole(path, copy)
        except OSError as failure:
            raise NotNow(
                f"cannot {purpose}: {failure.strerror}; nothing has changed", code="disk"
            ) from failure
        faults.after(Step.COPY_DATABASE)
        log.info("database.copied", copy=str(copy), seconds=round(time.monotonic() - began, 3))
    finally:
        connection.execute("rollback")


def _wal_bytes(path: Path) -> int:
    wal = path.with_name(f"{path.name}-wal")
    return wal.stat().st_size if wal.exists() else 0


def _apply(connection: sqlite3.Connection, scripts: Sequence[str], *, first: int) -> None:
    # Tables may be rebuilt; references are looked at in the end: https://www.sqlite.org/lang_altertable.html
    connection.execute("pragma foreign_keys = off")
    steps = (f"{script}\n;pragma user_version = {n};" for n, script in enumerate(scripts, start=first))
    connection.executescript(f"begin immediate;{''.join(steps)}")
    if connection.execute("pragma foreign_key_check").fetchone():
        raise sqlite3.IntegrityError("a migration has left references to nothing")
    faults.before(Step.MIGRATE)
    connection.execute("commit")
    faults.after(Step.MIGRATE)


def _too_new(path: Path, present: int, known: int) -> str:
    said = (
        f"cannot open {path}: it was written by a newer runsd (schema {present}, this one knows {known});"
        " start the newer version"
    )
    usable = [copy for schema, copy in sorted(copies(path).items()) if schema <= known]
    return f"{said}, or go back to {usable[-1].name}, the copy of before (docs/backup.md)" if usable else said
