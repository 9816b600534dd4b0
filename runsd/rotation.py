"""The rotation of the key of secrets: beside a serving daemon, and safe to repeat after any death.

The new key is put into the file first, so that from then on both sides of a crash can be read; then all
values are encrypted anew in one transaction; then the old keys are dropped. A daemon that encrypts meanwhile
looks up the key within its own transaction, so nothing is left behind under a key that is dropped.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from runsd import faults, peers
from runsd.access import user_name
from runsd.acts import Act
from runsd.clock import now_us
from runsd.datadir import STATE
from runsd.errors import NotNow
from runsd.faults import Step
from runsd.keyring import Keyring
from runsd.store.audit import note_beside
from runsd.store.secrets import seal_all_anew

_HERE = "host"
_PATIENCE_S = 10.0


def rotate(data_dir: Path, keyring: Keyring) -> int:
    """Give secrets a new key, and drop the old ones; return how many values were encrypted anew.

    Raises SecretsLocked when the present key cannot be used, NotNow when the database cannot.
    """
    with _alone(keyring.path), _opened(data_dir / STATE) as database:
        with _transaction(database):
            seal_all_anew(database, keyring)  # if a value cannot be opened, the keys stay as they are
        with _transaction(database):
            keyring.add_key()
            count = seal_all_anew(database, keyring)
            act = Act(user_name(peers.own_uid()), _HERE, "secrets.rotate", None, count=max(1, count))
            note_beside(database, act, clock=now_us)
            faults.before(Step.RESEAL_SECRETS)
        faults.after(Step.RESEAL_SECRETS)
        database.execute("pragma wal_checkpoint(truncate)").fetchone()  # with it goes what the old key opens
        keyring.drop_old_keys()
    return count


@contextmanager
def _alone(key_file: Path) -> Iterator[None]:
    """Keep a second rotation away: it could drop the key of the first."""
    try:
        directory = os.open(key_file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as failure:
        raise NotNow(f"cannot rotate the key of secrets: {failure}") from failure
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as failure:
        raise NotNow("cannot rotate the key of secrets: another rotation is at work; await it") from failure
    finally:
        os.close(directory)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise NotNow(f"cannot rotate the key of secrets: there is no {path}; name its --data-dir")
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    try:
        with closing(
            sqlite3.connect(address, uri=True, timeout=_PATIENCE_S, isolation_level=None)
        ) as database:
            database.execute("pragma synchronous = full")
            database.execute("pragma secure_delete = on")  # what the old key opens is overwritten
            yield database
    except sqlite3.Error as failure:
        raise NotNow(f"cannot rotate the key of secrets: {failure}; nothing is lost, try again") from failure


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        if database.in_transaction:
            database.execute("rollback")
        raise
