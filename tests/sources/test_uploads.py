"""Uploads: what is kept, what is refused, and what a crash or a full disk leaves (nothing)."""

import asyncio
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import pytest

from runsd.clock import now_us
from runsd.errors import NotNow, Refused, SourceFailed, TooLarge, Unknown
from runsd.faults import VARIABLE, Step
from runsd.sources.collector import Collector
from runsd.sources.mirrors import Mirrors
from runsd.sources.uploads import Uploads
from tests.faults.small_disk import small_disk

FAULT_POINTS = [f"{when}:{Step.STORE_UPLOAD}" for when in ("before", "after")]
OURS = "ours"
MIB = 1024**2
MOST = 4 * MIB
STORES = """
import asyncio, sys
from pathlib import Path
from runsd.clock import now_us
from runsd.sources.uploads import Uploads
async def chunks():
    yield sys.stdin.buffer.read()
print(asyncio.run(Uploads(Path(sys.argv[1]), max_bytes=1 << 20, clock=now_us).store("ours", chunks())).id)
"""


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", max_bytes=MOST, clock=now_us)


async def chunks(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        await asyncio.sleep(0)
        yield content[start : start + size]


async def none_in_use(ids: Collection[str]) -> Collection[str]:
    return ()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def packed(*members: tarfile.TarInfo | str, format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of members; a name alone stands for a file that has it as content."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=format) as tar:
        for each in members:
            if isinstance(each, str):
                info = tarfile.TarInfo(each)
                info.size = len(each.encode())
                tar.addfile(info, io.BytesIO(each.encode()))
            else:
                tar.addfile(each)
    return whole.getvalue()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


async def test_the_same_bytes_are_the_same_upload_kept_once(uploads: Uploads, tmp_path: Path) -> None:
    content = packed("a.py", "b/c.py", member("b", tarfile.DIRTYPE), member("l", tarfile.SYMTYPE, "b/c.py"))
    first = await uploads.store(OURS, chunks(content))
    assert first.id == f"src_{hashlib.sha256(content).hexdigest()[:32]}"
    assert (first.size_bytes, first.files, first.new) == (len(content), 3, True)
    again = await asyncio.gather(*(uploads.store(OURS, chunks(content, 7 + n)) for n in range(20)))
    assert {(each.id, each.created_us, each.new) for each in again} == {(first.id, first.created_us, False)}
    assert names(tmp_path / "uploads") == {first.id}
    async with uploads.open(first.id) as pieces:
        assert b"".join([piece async for piece in pieces]) == content
    assert (await uploads.get(OURS, first.id)).files == 3
    assert await uploads.exists(OURS, first.id)


async def test_many_at_once_of_new_bytes_are_one(uploads: Uploads, tmp_path: Path) -> None:
    stored = await asyncio.gather(*(uploads.store(OURS, chunks(packed("x"))) for _ in range(20)))
    assert len({each.id for each in stored}) == 1
    assert [each.new for each in stored].count(True) == 1
    assert names(tmp_path / "uploads") == {stored[0].id}


async def test_projects_share_the_bytes_and_know_nothing_of_each_other(
    uploads: Uploads, tmp_path: Path
) -> None:
    content = packed("a.py")
    ours = await uploads.store(OURS, chunks(content))
    assert not await uploads.exists("theirs", ours.id)
    with pytest.raises(Unknown):
        await uploads.get("theirs", ours.id)
    stored = await asyncio.gather(*(uploads.store("theirs", chunks(content)) for _ in range(5)))
    assert [each.new for each in stored].count(True) == 1  # as if nobody had sent it before
    theirs = await uploads.get("theirs", ours.id)
    assert {each.created_us for each in stored} == {theirs.created_us}
    assert theirs.created_us > ours.created_us == (await uploads.get(OURS, ours.id)).created_us
    assert names(tmp_path / "uploads") == {ours.id}
    await uploads.forget_project(OURS)
    assert not await uploads.exists(OURS, ours.id)
    assert await uploads.exists("theirs", ours.id)


async def test_what_was_sent_before_there_were_projects_is_the_default_projects(
    uploads: Uploads, tmp_path: Path
) -> None:
    upload = await uploads.store(OURS, chunks(packed("a.py")))
    folder = tmp_path / "uploads" / upload.id
    (folder / f"project.{OURS}").unlink()
    about = {"files": 1, "createdUs": 5, "sha256": upload.sha256}
    (folder / "about.json").write_text(json.dumps(about))
    assert (await uploads.get("default", upload.id)).created_us == 5
    assert not await uploads.exists(OURS, upload.id)
    assert not (await uploads.store("default", chunks(packed("a.py")))).new
    assert (await uploads.store(OURS, chunks(packed("a.py")))).new


@pytest.mark.parametrize("id", ["", "src_", f"src_{'0' * 32}", "src_../../etc", f"src_{'0' * 31}/", "x" * 36])
async def test_what_is_not_there_is_unknown(uploads: Uploads, id: str) -> None:
    assert not await uploads.exists(OURS, id)
    with pytest.raises(Unknown, match="POST /v1/sources"):
        await uploads.get(OURS, id)
    with pytest.raises(Unknown):
        async with uploads.open(id):
            pass


def sparse() -> bytes:
    info = tarfile.TarInfo("big")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**50)}
    data = b"1\n0\n0\n".ljust(512, b"\0")
    info.size = len(data)
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(data))
    return whole.getvalue()


def with_long_header(size: int) -> bytes:
    info = member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + b"x" * size + packed("a")


def chained(count: int) -> bytes:
    info = member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = 1
    return (info.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * count + packed("a")


def leading_back() -> bytes:
    info = bytearray(member("back").tobuf(tarfile.GNU_FORMAT))
    info[124:136] = b"\xff" * 10 + b"\xfe\x00"  # size -512, in base 256
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info[:512])
    return packed("a")[:1024] + bytes(info) + bytes(1024)


BAD: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "no whole tar archive"),
    ("text", lambda: b"print(1)\n" * 1000, "no whole tar archive"),
    ("zeros", lambda: bytes(10_240), "no files"),
    ("folders only", lambda: packed(member("a", tarfile.DIRTYPE)), "no files"),
    ("gzip", lambda: gzip.compress(packed("a")), "compressed (gzip)"),
    ("zip", lambda: b"PK\x03\x04" + bytes(600), "compressed (zip)"),
    ("cut in a header", lambda: packed("a", "b")[:1200], ""),
    ("cut in a file", lambda: packed("a" * 90)[:560], "no whole tar archive"),
    ("more after its end", lambda: packed("a") + packed("b"), "follows after its end"),
    ("garbage between", lambda: packed("a")[:1024] + b"x" * 512 + packed("b"), "follows after its end"),
    ("absolute", lambda: packed("/etc/passwd"), "'/etc/passwd' is not below"),
    ("upwards", lambda: packed("a/../../b"), "'a/../../b' is not below"),
    ("upwards and back", lambda: packed("a/../b"), "'a/../b' is not below"),
    ("link to the root", lambda: packed("a", member("l", tarfile.SYMTYPE, "/etc")), "'l' leads out"),
    ("link upwards", lambda: packed("a", member("d/l", tarfile.SYMTYPE, "../../x")), "'d/l' leads out"),
    ("link by a link", lambda: packed("a", member("l", tarfile.SYMTYPE, "d/../..")), "'l' leads out"),
    ("link of nothing", lambda: packed("a", member("l", tarfile.SYMTYPE, "")), "'l' leads out"),
    ("file behind a link", lambda: packed(member("l", tarfile.SYMTYPE, "d"), "l/a"), "'l/a' is not below"),
    ("file at a link", lambda: packed(member("l", tarfile.SYMTYPE, "d"), "./l"), "is not below"),
    ("link as root", lambda: packed("a", member(".", tarfile.SYMTYPE, "d")), "is not below"),
    ("hard link", lambda: packed("a", member("h", tarfile.LNKTYPE, "/etc/passwd")), "'h' leads out"),
    ("hard link up", lambda: packed("a", member("h", tarfile.LNKTYPE, "../x")), "'h' leads out"),
    ("device", lambda: packed("a", member("null", tarfile.CHRTYPE)), "'null' is a device or a pipe"),
    ("pipe", lambda: packed("a", member("fifo", tarfile.FIFOTYPE)), "'fifo' is a device or a pipe"),
    ("sparse file", sparse, "sparse"),
    ("long header", lambda: with_long_header(2 * MIB), "a header is too long"),
    ("headers without end", lambda: chained(1000), "no whole tar archive"),
    ("a header that leads back", leading_back, ""),
]


@pytest.mark.parametrize(("content", "why"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
async def test_a_bad_archive_is_refused_and_leaves_nothing(
    uploads: Uploads, tmp_path: Path, content: Callable[[], bytes], why: str
) -> None:
    with pytest.raises(Refused) as caught:
        await uploads.store(OURS, chunks(content(), 50_000))
    assert why in str(caught.value)
    assert str(caught.value).startswith("cannot take the source: ")
    assert names(tmp_path / "uploads") == set()


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_every_kind_of_tar_is_taken(uploads: Uploads, format: int) -> None:
    long = "/".join(["d" * 40] * 3) + "/x"
    upload = await uploads.store(
        OURS, chunks(packed("./a", long, member("up", tarfile.SYMTYPE, "d/x"), format=format))
    )
    assert upload.files == 3
    assert await uploads.file(upload.id, long, most_bytes=1000) == long.encode()
    assert await uploads.file(upload.id, "./a", most_bytes=1000) == b"./a"
    for name in ("nope", "up", "../a"):
        assert await uploads.file(upload.id, name, most_bytes=1000) is None
    with pytest.raises(SourceFailed, match="more than 2 bytes"):
        await uploads.file(upload.id, "a", most_bytes=2)


async def test_too_much_is_refused_before_all_of_it_has_come(uploads: Uploads, tmp_path: Path) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        yield packed("a")[:1024]
        while True:
            asked += 1
            yield bytes(64 * 1024)

    with pytest.raises(TooLarge, match=r"larger than 4\.0 MiB"):
        await uploads.store(OURS, endless())
    assert asked <= MOST // (64 * 1024) + 1
    assert names(tmp_path / "uploads") == set()


async def test_a_sender_that_leaves_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield packed("a")
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await uploads.store(OURS, breaking())
    assert names(tmp_path / "uploads") == set()


@pytest.mark.needs("small-disks")
async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        uploads = Uploads(disk.path / "uploads", max_bytes=8 * MIB, clock=now_us)
        info = tarfile.TarInfo("big")
        info.size = 6 * MIB
        content = info.tobuf() + os.urandom(6 * MIB) + bytes(1024)
        with pytest.raises(NotNow, match="make room") as caught:
            await uploads.store(OURS, chunks(content, 50_000))
        assert caught.value.code == "disk"
        assert names(disk.path / "uploads") == set()


@pytest.mark.parametrize("point", FAULT_POINTS)
async def test_killed_while_it_is_stored_it_is_there_whole_or_not_at_all(
    uploads: Uploads, tmp_path: Path, point: str
) -> None:
    content = packed("a")
    command = [sys.executable, "-c", STORES, str(tmp_path / "uploads")]
    environment = {**os.environ, VARIABLE: point}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, input=content)
    assert done.returncode == -signal.SIGKILL
    there = f"src_{hashlib.sha256(content).hexdigest()[:32]}"
    assert await uploads.exists(OURS, there) is point.startswith("after")
    await uploads.collect(1, none_in_use)
    assert names(tmp_path / "uploads") == ({there} if point.startswith("after") else set())
    assert (await uploads.store(OURS, chunks(content))).id == there


async def test_old_uploads_that_nobody_uses_go(uploads: Uploads, tmp_path: Path) -> None:
    old, used, asked, new = [(await uploads.store(OURS, chunks(packed(n)))).id for n in "abcd"]
    long_ago = time.time() - 10 * 24 * 3600
    for each in (old, used, asked):
        os.utime(tmp_path / "uploads" / each / "about.json", (long_ago, long_ago))

    async def in_use(ids: Collection[str]) -> Collection[str]:
        assert set(ids) == {old, used, asked}
        await uploads.get(OURS, asked)  # a run is just being submitted with it
        return {used}

    async with uploads.open(new) as pieces:
        assert await uploads.collect(9, in_use) == 1
        assert [piece async for piece in pieces]
    assert names(tmp_path / "uploads") == {used, asked, new}
    assert not await uploads.exists(OURS, old)


@pytest.mark.parametrize(("days", "left"), [(0, 2), (9, 1)])
async def test_the_collector_keeps_what_is_young_or_everything(
    uploads: Uploads, tmp_path: Path, days: float, left: int
) -> None:
    old, _ = [(await uploads.store(OURS, chunks(packed(n)))).id for n in "ab"]
    long_ago = time.time() - 10 * 24 * 3600
    os.utime(tmp_path / "uploads" / old / "about.json", (long_ago, long_ago))
    mirrors = Mirrors(tmp_path / "mirrors", timeout_s=60)
    await Collector(mirrors, uploads, in_use=none_in_use, keep_days=days).collect()
    assert len(names(tmp_path / "uploads")) == left
