"""The host under examination: what runs in the daemon's own process and files."""

import json
import os
import resource
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from runsd_sdk import quantity
from runsd_sdk.quantity import format_bytes, format_cpu

from runsd import intake
from runsd.admission import Resources
from runsd.doctor.finding import Finding, Subject, failure, ok, warning
from runsd.doctor.rooms import judged_space
from runsd.files import existing

_FEW_FILES = 4096
_PROOF = "create table proof (a integer primary key) strict", "insert into proof values (1) returning a"


def runtime(_: Subject) -> Finding:
    """Prove that the SQLite library knows what the schema is written in."""
    version = sqlite3.sqlite_version
    database = sqlite3.connect(":memory:")
    try:
        for statement in _PROOF:
            database.execute(statement)
    except sqlite3.Error as trouble:
        remedy = "use a Python with SQLite 3.37 or newer, such as the one that `uv python install` gets"
        return failure("runtime", f"SQLite {version} is too old: {trouble}", remedy)
    finally:
        database.close()
    return ok("runtime", f"Python {sys.version.split()[0]} and SQLite {version} know all that is needed")


def open_files(_: Subject) -> Finding:
    """Judge how many files and connections the daemon may hold: some three for each live run."""
    most, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _FEW_FILES:
        remedy = f"`ulimit -n {_FEW_FILES}` before `runsd serve`; the service in systemd/ sets its own limit"
        return warning("open files", f"a process here may open only {most} files", remedy)
    return ok("open files", f"a process here may open {_written(most)} files")


def capacity(subject: Subject) -> Finding:
    """Say what runs may have, and whether one that asks for nothing in particular fits."""
    settings = subject.settings
    room = intake.capacity(settings)
    default = Resources(
        quantity.cpu_milli(settings.defaults.cpu), quantity.memory_bytes(settings.defaults.memory)
    )
    said = f"{format_cpu(room.cpu_milli)} cores and {format_bytes(room.memory_bytes)} are for runs"
    if not intake.largest_run(settings).covers(default):
        asks = f"{settings.defaults.cpu} cores and {settings.defaults.memory}"
        remedy = "lower defaults.cpu and defaults.memory, or capacity.reserve_memory"
        return failure("capacity", f"{said}, less than a run asks for by default ({asks})", remedy)
    return ok("capacity", said)


def data_directory(subject: Subject) -> Finding:
    """Prove that state can be written where it is to be kept."""
    path = subject.data_dir
    choose = "mend that (`ls -ld` shows its owner), or choose another with --data-dir"
    try:
        place = existing(path)
        if not place.is_dir():
            return failure("data directory", f"cannot keep state in {path}: {place} is no directory", choose)
        if place != path.absolute():
            if not os.access(place, os.W_OK | os.X_OK):
                return failure("data directory", f"cannot make {path}: {place} may not be written to", choose)
            return ok("data directory", f"{path} will be made")
        with tempfile.TemporaryFile(dir=path, buffering=0) as proof:
            proof.write(bytes(4096))
    except OSError as trouble:
        return failure("data directory", f"cannot keep state in {path}: {trouble.strerror}", choose)
    if path.stat().st_mode & 0o077:
        remedy = f"`chmod 700 {path}`: what runs are given and what they print is in it"
        return warning("data directory", f"others may enter {path}", remedy)
    return ok("data directory", f"state can be written to {path}")


def disk(subject: Subject) -> Finding:
    """Judge the disk that holds state and logs."""
    try:
        remedy = "free some, or choose another with --data-dir"
        return judged_space("disk", subject.data_dir, remedy)
    except OSError as trouble:
        return failure("disk", f"cannot look at {subject.data_dir}: {trouble.strerror}", "see data directory")


def credentials(subject: Subject) -> Finding:
    """Say where credentials for pulls come from, and whether they can be read."""
    directory = _docker_config(subject)
    if directory is None:
        remedy = "set DOCKER_CONFIG to a directory with a config.json, as the service in systemd/ does"
        return warning(
            "credentials", "neither DOCKER_CONFIG nor HOME is set: every pull is anonymous", remedy
        )
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text())
        missing = sorted(name for name in _helpers(config) if shutil.which(name) is None)
    except FileNotFoundError:
        return ok("credentials", f"none at {path}: every pull is anonymous (`docker login` stores some)")
    except OSError as trouble:
        remedy = "let the daemon's user read it, or set DOCKER_CONFIG to another directory"
        return warning("credentials", f"cannot read {path}: {trouble.strerror}; pulls are anonymous", remedy)
    except (ValueError, TypeError, AttributeError) as trouble:
        remedy = "mend it, or remove it and `docker login` again"
        return warning("credentials", f"cannot understand {path}: {trouble}; pulls are anonymous", remedy)
    if missing:
        remedy = "install them, or remove credsStore and credHelpers from it"
        return warning(
            "credentials", f"{path} names programs that are not here: {', '.join(missing)}", remedy
        )
    return ok("credentials", f"credentials for pulls are read from {path}")


def _docker_config(subject: Subject) -> Path | None:
    given, home = (subject.environment.get(name) for name in ("DOCKER_CONFIG", "HOME"))
    if given:
        return Path(given)
    return Path(home) / ".docker" if home else None


def _helpers(config: dict[str, Any]) -> set[str]:
    named = {config.get("credsStore"), *(config.get("credHelpers") or {}).values()}
    return {f"docker-credential-{name}" for name in named if name}


def _written(most: int) -> str:
    return "any number of" if most == resource.RLIM_INFINITY else str(most)
