"""The key file of secrets: whether it is there when it is needed, and whether its owner alone may read it."""

import pwd
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final

from runsd.datadir import KEY, STATE
from runsd.doctor.finding import Finding, Subject, failure, ok, warning

_NAME: Final = "secrets key"
_COUNT: Final = "select count(*) from secret_values"


def key_file(subject: Subject) -> Finding:
    """Judge the file with the keys that secrets are encrypted with."""
    path = subject.settings.secrets.key_file or subject.data_dir / KEY
    try:
        found = path.stat()
        owner = subject.data_dir.stat().st_uid if subject.data_dir.exists() else found.st_uid
    except FileNotFoundError:
        return _missing(path, subject.data_dir / STATE)
    except OSError as trouble:
        remedy = "see data directory, or name another with secrets.key_file"
        return failure(_NAME, f"cannot look at {path}: {trouble.strerror}", remedy)
    if not stat.S_ISREG(found.st_mode):
        remedy = "put the key file there, or name another with secrets.key_file"
        return failure(_NAME, f"{path} is no file", remedy)
    if found.st_uid != owner:
        said = f"{path} belongs to {_user(found.st_uid)}, and the data directory to {_user(owner)}"
        return failure(_NAME, said, f"`chown {_user(owner)} {path}`: the daemon's user alone may read it")
    if (mode := stat.S_IMODE(found.st_mode)) & 0o077:
        said = f"{path} has mode {mode:04o}: others may read it, so no secret is opened"
        return failure(_NAME, said, f"`chmod 600 {path}`, and `runsd secrets rotate` if somebody may have")
    return ok(_NAME, f"{path} is its owner's alone; keep a copy elsewhere, for it is in no backup")


def _missing(path: Path, database: Path) -> Finding:
    kept = _kept(database)
    if kept is None:
        remedy = "start the daemon, which says what is wrong with it, then look again"
        return warning(_NAME, f"{path} is not there, and nobody can tell whether {database} needs it", remedy)
    if kept:
        remedy = "put it back from your copy, or delete all secrets and webhooks and make them anew"
        return failure(_NAME, f"{path} is gone, with which {kept} values are encrypted", remedy)
    return ok(_NAME, f"{path} will be made with the first secret")


def _kept(database: Path) -> int | None:
    """Count the values that are encrypted; None where that cannot be known. Not even a WAL is written."""
    wal = database.with_name(f"{database.name}-wal")
    try:
        if not database.exists():
            return 0
        how = "mode=ro" if wal.exists() else "immutable=1"
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?{how}", uri=True)) as db:
            if not db.execute("select 1 from sqlite_schema where name = 'secret_values'").fetchone():
                return 0  # an older runsd has written it
            (count,) = db.execute(_COUNT).fetchone()
    except (OSError, sqlite3.Error):
        return None
    return int(count)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
