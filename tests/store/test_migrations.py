"""Migrations: the old schema or the new one, never between; and what was is kept beside."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from runsd_sdk.spec import VolumeMount

from runsd import faults, migrations
from runsd.errors import NotNow
from runsd.faults import Step
from runsd.files import require_room
from runsd.migrations import migrate, schema_of
from runsd.store.database import MIGRATIONS
from tests.store.desk import open_desk
from tests.store.old import taken_back

FIRST = "create table numbers (n integer primary key) strict; create table more (n references numbers (n))"
SECOND = "alter table numbers add column name text; update numbers set name = 'old'"
# What an attempt of the first schema cannot know.
NOT_YET_KNOWN = "update attempts set engine = null, boot = null, began_us = null"
THIRD = "create table third (x)"
OPENS = """
import sys
from pathlib import Path
from runsd.migrations import migrate
migrate(Path(sys.argv[1]), sys.argv[2:])
"""

COUNTS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("select count(*), (select user_version from pragma_user_version) from numbers").fetchone())
"""


@pytest.fixture
def old(path: Path) -> Path:
    """A database of the first schema, with a thousand rows of which some are in its WAL alone."""
    migrate(path, [FIRST])
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("begin")
    held.executemany("insert into numbers values (?)", [(n,) for n in range(1000)])
    held.execute("commit")
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    before = path.read_bytes()
    held.close()
    path.write_bytes(before)  # as a killed daemon leaves it
    path.with_name(f"{path.name}-wal").write_bytes(wal)
    return path


def test_what_was_is_kept_beside_and_what_is_has_it_all(old: Path) -> None:
    migrate(old, [FIRST, SECOND])
    assert (schema_of(old), schema_of(copy_of(old))) == (2, 1)
    assert rows(old, "select count(*), min(name) from numbers") == [(1000, "old")]
    assert rows(copy_of(old), "select count(*) from numbers") == [(1000,)]
    assert copy_of(old).stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in old.parent.iterdir()) == [old.name, copy_of(old).name]


def test_a_copy_is_made_once_and_never_of_a_new_database(path: Path) -> None:
    migrate(path, [FIRST, SECOND])
    migrate(path, [FIRST, SECOND])
    assert list(path.parent.iterdir()) == [path]


def test_an_older_runsd_goes_on_with_the_copy(old: Path) -> None:
    migrate(old, [FIRST, SECOND])
    copy_of(old).replace(old)
    migrate(old, [FIRST])
    assert rows(old, "select count(*) from numbers") == [(1000,)]


def test_a_newer_database_is_refused_and_the_copy_named(old: Path) -> None:
    migrate(old, [FIRST, SECOND])
    with pytest.raises(NotNow, match=r"schema 2, this one knows 1.*or go back to runsd\.db\.schema-1"):
        migrate(old, [FIRST])
    copy_of(old).unlink()
    with pytest.raises(NotNow, match=r"start the newer version$"):
        migrate(old, [FIRST])


@pytest.mark.parametrize(
    ("point", "schema"),
    [
        ("before:copy_database", 1),
        ("after:copy_database", 1),
        ("before:migrate", 1),
        ("after:migrate", 3),
    ],
)
def test_killed_at_any_step_it_is_the_old_or_the_new_and_goes_on(old: Path, point: str, schema: int) -> None:
    steps = [FIRST, SECOND, THIRD]
    assert opened(old, steps, **{faults.VARIABLE: point}).returncode == -signal.SIGKILL
    assert rows(old, "pragma user_version") == [(schema,)]
    assert rows(old, "select count(*) from numbers") == [(1000,)]
    migrate(old, steps)
    assert rows(old, "select count(*), min(name) from numbers") == [(1000, "old")]
    assert rows(copy_of(old), "select count(*) from numbers") == [(1000,)]
    assert schema_of(copy_of(old)) == 1


def test_half_a_copy_is_never_taken_for_a_whole_one(old: Path) -> None:
    half = copy_of(old).with_name(f"{copy_of(old).name}.part")
    half.write_bytes(b"half")
    migrate(old, [FIRST, SECOND])
    assert not half.exists()
    assert rows(copy_of(old), "pragma integrity_check") == [("ok",)]


@pytest.mark.needs("mounts")
def test_without_room_for_the_copy_nothing_is_changed(old: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    script = f"""
        mount -t tmpfs -o size=8m tmpfs {small} && cp {old} {old}-wal {small}
        {sys.executable} -c "$OPENS" {small / old.name} "$FIRST" "$SECOND"
        ls {small}; {sys.executable} -c "$COUNTS" {small / old.name}
    """
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env={**os.environ, "OPENS": OPENS, "FIRST": FIRST, "SECOND": SECOND, "COUNTS": COUNTS},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "before it is brought to a newer schema: it needs 16" in said.stderr
    assert "make room and try again" in said.stderr
    assert said.stdout.splitlines() == [old.name, "(1000, 1)"]


def test_a_copy_that_the_disk_refuses_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(100_000))
    copying = "import sys; from pathlib import Path; from runsd.files import copy_whole;"
    copied = subprocess.run(
        [sys.executable, "-c", f"{copying} copy_whole(*map(Path, sys.argv[1:]))", source, tmp_path / "copy"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "OSError: [Errno 27] File too large" in copied.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_too_little_room_is_said_with_the_numbers(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match=r"cannot copy it: it needs 104\d+\.\d TiB in .*; make room") as caught:
        require_room(tmp_path, 2**60, "copy it")
    assert caught.value.code == "disk"


def test_somebody_who_reads_is_waited_for_and_then_named(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_PATIENCE_S", 0.1)
    with closing(sqlite3.connect(old, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from numbers").fetchone()
        with pytest.raises(NotNow, match="another process is using it"):
            migrate(old, [FIRST, SECOND])
    migrate(old, [FIRST, SECOND])
    assert schema_of(old) == 2


@pytest.mark.parametrize("wrong", ["insert into nowhere values (1)", "insert into more values (5000)"])
def test_a_step_that_fails_undoes_those_before_it(old: Path, wrong: str) -> None:
    with pytest.raises(sqlite3.Error):
        migrate(old, [FIRST, SECOND, wrong])
    assert rows(old, "pragma user_version") == [(1,)]
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        rows(old, "select name from numbers")


async def test_the_first_schema_with_runs_in_every_phase_becomes_todays(path: Path) -> None:
    async with open_desk(path) as desk:
        volume = await desk.volume("cache")
        await desk.finished(labels={"k": "v"})
        await desk.running(volume_mounts=[VolumeMount(volume_id=volume.id, mount_path="/v")])
        await desk.submit(name="queued")
        await desk.db.write(lambda db: db.execute(NOT_YET_KNOWN), Step.CHANGE)
        before = await desk.everything()
    taken_back(path, MIGRATIONS, 1)
    assert schema_of(path) == 1
    async with open_desk(path) as desk:
        assert await desk.everything() == before
    assert schema_of(path) == len(MIGRATIONS)
    assert schema_of(copy_of(path)) == 1


def opened(path: Path, steps: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Migrate in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", OPENS, str(path), *steps],
        env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.schema-1")


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()
