"""The way back from a backup, into an empty data directory; until it is whole, no daemon starts on it."""

import hashlib
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import ValidationError

from runsd.backup import FORMAT, MANIFEST, Manifest, require_sound
from runsd.datadir import KEY, LOCK, LOGS, RESTORING, STATE, UPLOADS, held
from runsd.errors import NotNow, Refused, RunsdError
from runsd.files import private, require_room, sync_directory, sync_file
from runsd.logs import database as logs
from runsd.sources import carried
from runsd.store import database

_KNOWN = {STATE: len(database.MIGRATIONS), LOGS: len(logs.MIGRATIONS)}
_AT_ONCE = 1024**2
_LONGEST_MANIFEST = 16 * 1024**2  # some 80,000 uploads
_OURS = tuple(f"{name}{more}" for name in (STATE, LOGS) for more in ("", "-wal", "-shm", "-journal"))


def restore(file: Path, data_dir: Path) -> Manifest:
    """Put a backup into an empty data directory.

    Raises Refused for a directory that is not empty and for what is no whole backup, NotNow for one that
    another process holds and for a disk that refuses. Nothing is left behind then.
    """
    with _reported(file), held(data_dir, to_restore=True):
        if (data_dir / RESTORING).exists():
            _clear(data_dir)  # a restore was killed here
        if present := sorted(entry.name for entry in data_dir.iterdir() if entry.name not in (LOCK, KEY)):
            raise Refused(
                f"cannot restore into {data_dir}: it is not empty ({', '.join(present[:3])}); move what is"
                " there away, or choose another --data-dir"
            )
        require_room(data_dir, file.stat().st_size, f"restore {file}")
        (data_dir / RESTORING).touch(0o600)
        sync_directory(data_dir)
        try:
            manifest = _unpacked(file, data_dir)
            _check(manifest, data_dir)
            for name in manifest.files:
                sync_file(data_dir / name)
            carried.check(manifest.uploads, data_dir / UPLOADS)
        except BaseException:
            _clear(data_dir)
            raise
        (data_dir / RESTORING).unlink()
        sync_directory(data_dir)
    return manifest


@contextmanager
def _reported(file: Path) -> Iterator[None]:
    try:
        yield
    except RunsdError:
        raise
    except OSError as failure:
        raise NotNow(f"cannot restore {file}: {failure.strerror or failure}") from failure
    except (tarfile.TarError, ValidationError, EOFError, sqlite3.Error) as failure:
        raise Refused(f"cannot restore {file}: it is no whole backup of runsd; use another one") from failure


def _clear(data_dir: Path) -> None:
    for name in _OURS:
        (data_dir / name).unlink(missing_ok=True)
    shutil.rmtree(data_dir / UPLOADS.parts[0], ignore_errors=True)
    (data_dir / RESTORING).unlink(missing_ok=True)


def _unpacked(file: Path, data_dir: Path) -> Manifest:
    with tarfile.open(file, mode="r|") as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is None:
                raise tarfile.TarError(f"{entry.name!r} is no file")
            if entry.name == MANIFEST:
                return Manifest.model_validate_json(content.read(_LONGEST_MANIFEST))
            if entry.name not in (STATE, LOGS):
                carried.unpack(entry.name, content, data_dir / UPLOADS)
                continue
            with private(data_dir / entry.name) as target:
                while piece := content.read(_AT_ONCE):
                    target.write(piece)
    raise tarfile.TarError("it has no manifest")


def _check(manifest: Manifest, data_dir: Path) -> None:
    if manifest.format > FORMAT or any(
        member.schema_version > _KNOWN.get(name, 0) for name, member in manifest.files.items()
    ):
        raise Refused(
            f"cannot restore: the backup is of a newer runsd ({manifest.version}); restore it with that one"
        )
    if sorted(manifest.files) != sorted((STATE, LOGS)):
        raise tarfile.TarError("it does not hold what it should")
    for name, member in manifest.files.items():
        with (data_dir / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != member.sha256:
                raise tarfile.TarError(f"{name} is not what was backed up")
        with closing(sqlite3.connect(data_dir / name)) as restored:
            require_sound(restored, name)
