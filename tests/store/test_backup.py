"""Backups of real databases that are being written to; and what is no whole backup is not restored."""

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from runsd_sdk.run import Status

from runsd import restore as restoring
from runsd.backup import Manifest, back_up_to
from runsd.datadir import LOGS, RESTORING, STATE, UPLOADS, held
from runsd.errors import NotNow, Refused
from runsd.logs.database import MIGRATIONS as LOG_MIGRATIONS
from runsd.logs.reader import LogQuery
from runsd.restore import restore
from runsd.sources.uploads import Uploads
from runsd.store.database import MIGRATIONS, instance_of
from tests.store.desk import SECOND, START, Desk, open_desk
from tests.store.logbook import OUT, Book, numbered, open_book

RUNSD = Path(sys.executable).with_name("runsd")

TEAM = "team"
LARGE = """
create table large as
with recursive n (n) as (select 1 union all select n + 1 from n where n < 200)
select randomblob(1000000) from n
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A data directory in use."""

    path: Path
    desk: Desk
    book: Book

    async def run(self, size: int = 10_000) -> str:
        """Carry out a run that writes so many bytes."""
        work = await self.desk.running()
        capture = await self.book.writer.capture(work.id, 1)
        await capture.feed(OUT, numbered(size))
        await capture.flush()
        assert await self.desk.attempts.finish(work, self.desk.ended(work))
        return work.id

    async def output(self, id: str) -> bytes:
        parts = self.book.reader.parts(LogQuery(id, None, (OUT,)))
        return b"".join([part.data async for part in parts])


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[Kept]:
    path = tmp_path / "data"
    path.mkdir()
    async with open_desk(path / STATE) as desk, open_book(path / LOGS) as book:
        await instance_of(desk.db)
        yield Kept(path, desk, book)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@pytest.fixture
async def file(data: Kept, tmp_path: Path) -> Path:
    """A backup of one run."""
    await data.run()
    taken(data, tmp_path / "backup")
    return tmp_path / "backup"


async def test_a_backup_has_everything(data: Kept, file: Path, target: Path) -> None:
    manifest = restore(file, target)
    assert (manifest.instance, manifest.taken_at.year) == (await instance_of(data.desk.db), 2026)
    assert {name: member.schema_version for name, member in manifest.files.items()} == {
        STATE: len(MIGRATIONS),
        LOGS: len(LOG_MIGRATIONS),
    }
    before = await data.desk.everything()
    async with open_desk(target / STATE) as desk:
        assert await desk.everything() == before
    assert sorted(entry.name for entry in target.iterdir()) == ["lock", LOGS, STATE]
    assert {entry.stat().st_mode & 0o777 for entry in target.iterdir()} == {0o600}
    assert file.stat().st_mode & 0o777 == 0o600


async def test_every_run_that_is_over_in_a_backup_has_its_whole_log(data: Kept, tmp_path: Path) -> None:
    """While runs come and go, in the same process and therefore as fast as can be."""
    done = asyncio.Event()

    async def busy() -> None:
        while not done.is_set():
            await data.run()

    writers = [asyncio.create_task(busy()) for _ in range(4)]
    for n in range(4):
        await data.run()
        await asyncio.to_thread(taken, data, tmp_path / f"backup-{n}")
    done.set()
    await asyncio.gather(*writers)
    for n in range(4):
        place = tmp_path / f"restored-{n}"
        restore(tmp_path / f"backup-{n}", place)
        async with open_desk(place / STATE) as desk, open_book(place / LOGS) as book:
            ids = [row["id"] for row in await desk.db.all("select id from runs where phase = 'finished'")]
            assert len(ids) > n
            for id in ids:
                assert (await desk.get(id)).status is Status.SUCCEEDED
                assert await Kept(place, desk, book).output(id) == numbered(10_000)


async def test_uploads_are_in_it_and_count_as_just_sent(data: Kept, target: Path, tmp_path: Path) -> None:
    uploads = uploads_of(data.path)
    sent = [await uploads.store(TEAM, pieces(archive(f"content {n}"))) for n in range(3)]
    removed = await uploads.store(TEAM, pieces(archive("old")))
    for path in (data.path / UPLOADS).rglob("about.json"):
        os.utime(path, (0, 0))
    (data.path / UPLOADS / removed.id / "source.tar").unlink()  # as it is for a moment while it is removed
    manifest = taken(data, tmp_path / "backup")
    assert manifest.uploads.keys() == {upload.id for upload in sent}
    assert restore(tmp_path / "backup", target) == manifest
    restored = uploads_of(target)
    for upload in sent:
        assert await restored.get(TEAM, upload.id) == replace(upload, new=False)
        assert not await restored.exists("others", upload.id)
        async with restored.open(upload.id) as content, uploads.open(upload.id) as before:
            assert [piece async for piece in content] == [piece async for piece in before]
    assert await restored.collect(1, nobody) == 0
    modes = {path.stat().st_mode & 0o777 for path in (target / UPLOADS).rglob("*")}
    assert modes == {0o700, 0o600}


async def test_an_upload_that_is_not_what_was_sent_is_not_backed_up(data: Kept, tmp_path: Path) -> None:
    upload = await uploads_of(data.path).store(TEAM, pieces(archive("x")))
    flipped(data.path / UPLOADS / upload.id / "source.tar", at=600)
    with pytest.raises(NotNow, match=f"{upload.id}: it is not what was sent; remove it"):
        taken(data, tmp_path / "backup")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


async def test_an_upload_that_is_not_what_was_backed_up_is_not_restored(
    data: Kept, target: Path, tmp_path: Path
) -> None:
    upload = await uploads_of(data.path).store(TEAM, pieces(archive("x")))
    taken(data, tmp_path / "backup")
    with tarfile.open(tmp_path / "backup") as tar:
        at = tar.getmember(f"sources/{upload.id}.tar").offset_data
    flipped(tmp_path / "backup", at=at + 600)
    with pytest.raises(Refused, match="it is no whole backup of runsd"):
        restore(tmp_path / "backup", target)
    assert [entry.name for entry in target.iterdir()] == ["lock"]


async def test_a_file_that_is_there_is_replaced_only_if_asked(data: Kept, file: Path) -> None:
    before = file.read_bytes()
    await data.run(100_000)
    with pytest.raises(Refused, match="it exists; choose another name, or --force"):
        taken(data, file)
    assert file.read_bytes() == before
    taken(data, file, replace=True)
    assert file.stat().st_size > len(before)
    assert sorted(entry.name for entry in file.parent.iterdir()) == ["backup", "data"]


def test_where_there_is_no_state_there_is_no_backup(tmp_path: Path) -> None:
    said = runsd("backup", tmp_path / "backup", "--data-dir", tmp_path)
    assert said.returncode == 1
    assert "there is no runsd.db in it; name its --data-dir" in said.stderr
    assert list(tmp_path.iterdir()) == []


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20_000])


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:700])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def flipped(file: Path, *, at: int = 20_000) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def without_its_manifest(file: Path) -> None:
    with tarfile.open(file) as tar:
        end = tar.getmember("manifest.json").offset
    file.write_bytes(file.read_bytes()[:end] + bytes(1024))


def something_else(file: Path) -> None:
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "../escaped")


@pytest.mark.parametrize("spoil", [cut, cut_short, emptied, flipped, without_its_manifest, something_else])
def test_what_is_no_whole_backup_is_refused_and_leaves_nothing(
    file: Path, target: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(file)
    with pytest.raises(Refused, match="it is no whole backup of runsd"):
        restore(file, target)
    assert [entry.name for entry in target.iterdir()] == ["lock"]


def test_a_backup_of_a_newer_runsd_is_refused(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(restoring._KNOWN, STATE, len(MIGRATIONS) - 1)
    with pytest.raises(Refused, match="of a newer runsd"):
        restore(file, target)
    assert [entry.name for entry in target.iterdir()] == ["lock"]


def test_only_an_empty_directory_that_nobody_holds_is_restored_into(file: Path, target: Path) -> None:
    with held(target), pytest.raises(NotNow, match="another runsd holds it"):
        restore(file, target)
    (target / "something").touch()
    with pytest.raises(Refused, match=r"it is not empty \(something\)"):
        restore(file, target)
    assert sorted(entry.name for entry in target.iterdir()) == ["lock", "something"]


def test_half_a_restore_is_not_served_and_can_be_repeated(file: Path, target: Path) -> None:
    target.mkdir()
    for name in (RESTORING, STATE, f"{STATE}-wal", LOGS):
        (target / name).write_bytes(b"half")  # as a kill leaves it
    with pytest.raises(NotNow, match="repeat `runsd restore`"), held(target):
        pass
    restore(file, target)
    with held(target):
        assert sorted(entry.name for entry in target.iterdir()) == ["lock", LOGS, STATE]


async def test_a_damaged_database_is_not_backed_up(data: Kept, tmp_path: Path) -> None:
    for _ in range(20):
        await data.run()
    await data.desk.db.close()
    content = bytearray((data.path / STATE).read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (data.path / STATE).write_bytes(content)
    with pytest.raises(NotNow, match=r"damaged|malformed"):
        taken(data, tmp_path / "backup")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


@pytest.mark.needs("mounts")
async def test_without_room_there_is_a_sentence_and_nothing_else(data: Kept, tmp_path: Path) -> None:
    await data.run(3_000_000)
    small = tmp_path / "small"
    small.mkdir()
    script = f"""
        mount -t tmpfs -o size=2m tmpfs {small}
        {RUNSD} backup {small}/backup --data-dir {data.path}; ls -A {small}
        TMPDIR={small} {RUNSD} backup - --data-dir {data.path} | wc -c; ls -A {small}
    """
    command = ["unshare", "--mount", "sh", "-c", script]
    said = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, timeout=60
    )
    assert "cannot back up to" in said.stderr
    assert "make room and try again" in said.stderr
    assert f"runsd: cannot back up {data.path}: database or disk is full" in said.stderr
    assert len(said.stdout.splitlines()) == 1


def test_a_backup_on_stdout_is_the_same(data: Kept, file: Path, target: Path, tmp_path: Path) -> None:
    with (tmp_path / "piped").open("wb") as out:
        command = [RUNSD, "backup", "-", "--data-dir", data.path]
        assert subprocess.run(command, stdout=out, check=False, timeout=60).returncode == 0
    assert restore(tmp_path / "piped", target).files.keys() == restore(file, tmp_path / "other").files.keys()


def test_told_to_end_it_leaves_nothing(data: Kept, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data.path / LOGS, isolation_level=None)) as large:
        large.execute(LARGE)
    with subprocess.Popen([RUNSD, "backup", tmp_path / "backup", "--data-dir", data.path]) as process:
        while not list(tmp_path.glob(".runsd-backup-*/*")):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def uploads_of(data_dir: Path) -> Uploads:
    return Uploads(data_dir / UPLOADS, max_bytes=10**6, clock=lambda: START)


async def nobody(_: Collection[str]) -> Collection[str]:
    return ()


def archive(content: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    return made.getvalue()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def taken(data: Kept, file: Path, *, replace: bool = False) -> Manifest:
    told: list[tuple[str, int, int]] = []
    made = back_up_to(
        file, data.path, replace=replace,
        clock=lambda: START + SECOND, progress=lambda *said: told.append(said),
    )  # fmt: skip
    assert {(name, done == whole) for name, done, whole in told} >= {(STATE, True), (LOGS, True)}
    return made


def runsd(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([RUNSD, *words], capture_output=True, text=True, check=False, timeout=60)
