"""Mirrors against real servers: what a name stands for, however it is asked, moved, broken or killed."""

import asyncio
import hashlib
import io
import itertools
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from runsd.errors import SourceFailed
from runsd.faults import VARIABLE, Step
from runsd.sources.mirrors import Mirrors
from tests.faults.small_disk import small_disk
from tests.sources.conftest import Served
from tests.sources.repository import Line, Repository, served_as_files

FAULT_POINTS = [f"{when}:{Step.FETCH_SOURCE}" for when in ("before", "after")]
RESOLVES = """
import asyncio, sys
from pathlib import Path
from runsd.sources.mirrors import Mirrors
print(asyncio.run(Mirrors(Path(sys.argv[1]), timeout_s=60).resolve(sys.argv[2], sys.argv[3])))
"""


async def said(mirrors: Mirrors, url: str, ref: str | None = None) -> str:
    """Return why a ref cannot be resolved."""
    with pytest.raises(SourceFailed) as caught:
        await mirrors.resolve(url, ref)
    return str(caught.value)


async def members(mirrors: Mirrors, url: str, commit: str) -> dict[str, bytes]:
    """Return the files of a commit, by name, and see that no piece is large."""
    async with mirrors.export(url, commit) as pieces:
        parts = [piece async for piece in pieces]
    assert max(map(len, parts)) <= 256 * 1024
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as tar:
        found = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name: content.read() for name, content in found.items() if content is not None}


def folder_of(mirrors_folder: Path) -> Path:
    """Return the one mirror's folder."""
    (folder,) = mirrors_folder.iterdir()
    return folder


def litter(mirror: Path) -> set[str]:
    """Name what a git that was killed has left."""
    return {path.name for path in mirror.rglob("*") if path.suffix == ".lock" or path.name.startswith("tmp_")}


async def test_a_branch_is_asked_for_anew_and_a_commit_is_not(
    served: Served, line: Line, mirrors: Mirrors
) -> None:
    repository = served.repository("moves")
    url = served.url("moves", line)
    first = repository.commit(a="1")
    assert [await mirrors.resolve(url, ref) for ref in ("main", None, "HEAD", first)] == [first] * 4
    second = repository.commit(a="2")
    assert await mirrors.resolve(url, "main") == second
    calls = line.calls
    assert await mirrors.resolve(url, first) == first
    assert await mirrors.resolve(url, second.upper()) == second
    assert await members(mirrors, url, first) == {"a": b"1"}
    assert line.calls == calls
    repository.git("reset", "--hard", "--quiet", first)
    repository.commit(a="3")
    assert await members(mirrors, url, await mirrors.resolve(url)) == {"a": b"3"}
    assert await members(mirrors, url, second) == {"a": b"2"}, "a run may be repeated from what was rewritten"


async def test_every_kind_of_name_is_resolved(served: Served, mirrors: Mirrors) -> None:
    repository = served.repository("names")
    first, second, third = (repository.commit(a=str(n)) for n in range(3))
    repository.git("tag", "light", first)
    repository.git("tag", "-a", "-m", "x", "heavy", second)
    repository.git("tag", "-a", "-m", "x", "double", "heavy")
    repository.git("branch", "feature/x", first)
    repository.git("tag", "twin", first)
    repository.git("branch", "twin", second)
    repository.git("update-ref", "refs/pull/1/head", second)
    url = served.url("names")
    for ref, commit in (
        ("light", first), ("heavy", second), ("double", second), ("feature/x", first), ("twin", second),
        ("refs/tags/twin", first), ("refs/heads/main", third), ("refs/pull/1/head", second),
        ("refs/tags/heavy", second), (third[:7], third), (first[:12].upper(), first), (second, second),
    ):  # fmt: skip
        assert await mirrors.resolve(url, ref) == commit, ref


async def test_a_commit_that_no_branch_leads_to_by_its_id(served: Served, mirrors: Mirrors) -> None:
    repository = served.repository("hidden")
    repository.commit(a="1")
    left = repository.commit(a="2")
    repository.git("reset", "--hard", "--quiet", "HEAD~1")
    assert await mirrors.resolve(served.url("hidden"), left) == left


async def test_what_is_not_there_is_named(served: Served, mirrors: Mirrors) -> None:
    repository = served.repository("lacks")
    repository.commit(a="1")
    blob = repository.git("rev-parse", "HEAD:a")
    repository.git("tag", "file", blob)
    url = served.url("lacks")
    for ref in ("nope", "deadbee", "d" * 40, "refs/heads/nope", "a", blob[:10], "heads/main"):
        assert f"cannot find {ref!r} in {url}" in await said(mirrors, url, ref)
    for ref in (blob, "file"):
        assert ref in await said(mirrors, url, ref)
    assert "no such repository" in await said(mirrors, served.url("nowhere"))
    served.repository("empty")
    assert "it has no commit" in await said(mirrors, served.url("empty"))
    assert "write the name" in await said(mirrors, url, "--upload-pack=touch /tmp/x")


async def test_an_abbreviation_of_two_commits_names_both(served: Served, mirrors: Mirrors) -> None:
    repository = served.repository("alike")
    repository.commit(a="1")
    twins = twins_of(repository, repository.git("rev-parse", "HEAD^{tree}"))
    for n, twin in enumerate(twins):
        repository.git("branch", f"twin{n}", twin)
    failed = await said(mirrors, served.url("alike"), twins[0][:7])
    assert all(twin[:12] in failed for twin in twins)


async def test_what_must_not_be_reached_and_what_cannot(mirrors: Mirrors, tmp_path: Path) -> None:
    Repository(tmp_path / "local").commit(a="1")
    assert "sources.local" in await said(mirrors, str(tmp_path / "local"))
    assert "cannot be reached" in await said(mirrors, "git://127.0.0.1:1/x")
    failed = await said(mirrors, "https://user:topsecret@127.0.0.1:1/x?token=topsecret")
    assert "cannot be reached" in failed
    assert "topsecret" not in failed


async def test_a_repository_of_this_host_where_that_is_allowed(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "allowed" / "local")
    commit = repository.commit(a="1")
    mirrors = Mirrors(tmp_path / "mirrors", timeout_s=60, local=[tmp_path / "allowed"])
    for url in (str(repository.path), f"file://{repository.path}"):
        assert await mirrors.resolve(url) == commit
        assert await members(mirrors, url, commit) == {"a": b"1"}


async def test_a_private_repository_is_opened_by_credentials_that_nobody_sees(
    mirrors: Mirrors, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "www" / "private")
    commit = repository.commit(a="1")
    repository.git("update-server-info")
    with served_as_files(tmp_path / "www", login="alice:open sesame") as (port, heard):
        place = f"127.0.0.1:{port}/private/.git"
        assert "asks for a login" in await said(mirrors, f"http://{place}")
        wrong = await said(mirrors, f"http://alice:topsecret@{place}")
        assert "asks for a login" in wrong
        assert "topsecret" not in wrong
        assert heard[-1] is not None, "they are sent when they are asked for"
        url = f"http://alice:open%20sesame@{place}"
        assert await mirrors.resolve(url) == commit
        assert await members(mirrors, url, commit) == {"a": b"1"}
        assert "asks for a login" in await said(mirrors, f"http://{place}", commit), (
            "others find nothing here"
        )
    kept = [path for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"sesame" in path.read_bytes()]


async def test_a_server_without_any_cleverness(mirrors: Mirrors, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "www" / "plain")
    first, second = repository.commit(a="1"), repository.commit(a="2")
    repository.git("tag", "-a", "-m", "x", "v1", first)
    repository.git("update-server-info")
    with served_as_files(tmp_path / "www") as (port, _):
        url = f"http://127.0.0.1:{port}/plain/.git"
        assert [await mirrors.resolve(url, ref) for ref in ("main", "v1", first[:9])] == [
            second,
            first,
            first,
        ]


async def test_nobodys_settings_are_read_but_those_that_were_named(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = served.repository("settings").commit(a="1")
    url = served.url("settings")
    elsewhere = tmp_path / ".gitconfig"
    elsewhere.write_text(f'[url "git://127.0.0.1:1/"]\ninsteadOf = git://127.0.0.1:{served.port}/\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert await Mirrors(tmp_path / "one", timeout_s=60).resolve(url) == commit
    assert "cannot be reached" in await said(Mirrors(tmp_path / "two", timeout_s=60, config=elsewhere), url)


async def test_a_host_without_git_says_so(
    mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install the package git" in await said(mirrors, "git://127.0.0.1:1/x")


async def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Not a directory" in await said(Mirrors(tmp_path / "file", timeout_s=60), "git://127.0.0.1:1/x")


@pytest.mark.needs("small-disks")
async def test_a_full_disk_is_named_and_goes_on_when_there_is_room(served: Served, tmp_path: Path) -> None:
    url = large(served, "full", size=6 * 1024**2)
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", 10 * 1024**2) as disk:
        mirrors = Mirrors(disk.path / "mirrors", timeout_s=60)
        disk.fill(leave=3 * 1024**2)
        assert "the disk is full" in await said(mirrors, url)
        disk.clear()
        assert await mirrors.resolve(url)


async def test_a_fetch_that_brings_too_much_is_stopped_on_its_way(
    served: Served, line: Line, tmp_path: Path
) -> None:
    url = large(served, "too-large", line, size=6 * 1024**2)
    line.hold(after=2 * 1024**2)  # it would never come to its end
    folder = tmp_path / "mirrors"
    failed = await said(Mirrors(folder, timeout_s=60, max_bytes=1024**2), url)
    assert f"cannot fetch from {url}: it is more than 1.0 MiB" in failed
    assert "sources.max_repository_bytes" in failed
    assert not litter(folder_of(folder)), "what was fetched is gone"
    line.release()
    assert await Mirrors(folder, timeout_s=60, max_bytes=8 * 1024**2).resolve(url)


async def test_a_few_bytes_that_are_very_many_files_are_not_exported(served: Served, tmp_path: Path) -> None:
    commit = served.repository("bomb").commit(a="0" * 4 * 1024**2)
    mirrors = Mirrors(tmp_path / "mirrors", timeout_s=60, max_bytes=1024**2)
    with pytest.raises(SourceFailed, match=r"cannot export .* it is more than 1.0 MiB"):
        await members(mirrors, served.url("bomb"), commit)
    assert not children()


async def test_a_hundred_who_ask_at_once_share_what_is_fetched(
    served: Served, line: Line, mirrors: Mirrors
) -> None:
    commit = served.repository("shared").commit(a="1")
    url = served.url("shared", line)
    found = await asyncio.gather(*(mirrors.resolve(url, "main") for _ in range(100)))
    assert set(found) == {commit}
    assert line.calls <= 4


async def test_who_asks_while_others_are_answered_gets_what_is_true_then(
    served: Served, line: Line, mirrors: Mirrors
) -> None:
    repository = served.repository("later")
    first = repository.commit(a="1")
    url = served.url("later", line)
    line.hold(at=b"refs/heads/main")
    early = asyncio.create_task(mirrors.resolve(url, "main"))
    await line.holding.wait()  # the server has said what main is
    second = repository.commit(a="2")
    late = [asyncio.create_task(mirrors.resolve(url, "main")) for _ in range(50)]
    await asyncio.sleep(0)
    line.release()
    assert await early == first
    assert set(await asyncio.gather(*late)) == {second}
    assert line.calls <= 6


async def test_one_of_many_may_leave_and_the_last_one_ends_it(
    served: Served, line: Line, mirrors: Mirrors
) -> None:
    commit = served.repository("leaving").commit(a="1")
    url = served.url("leaving", line)
    line.hold()
    asking = [asyncio.create_task(mirrors.resolve(url)) for _ in range(3)]
    await line.holding.wait()
    asking[0].cancel()
    await asyncio.wait([asking[0]])
    line.release()
    assert await asyncio.gather(*asking[1:]) == [commit, commit]
    line.hold()
    alone = asyncio.create_task(mirrors.resolve(url))
    await line.holding.wait()
    alone.cancel()
    await asyncio.wait([alone])
    assert alone.cancelled()
    line.release()
    assert await mirrors.resolve(url) == commit


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mirrors = Mirrors(tmp_path / "mirrors", timeout_s=0.5)
        for url in (f"git://127.0.0.1:{port}/x", f"http://127.0.0.1:{port}/x"):
            failed = await said(mirrors, url)
            assert "nothing was heard for 0.5 s" in failed
            assert "sources.git_timeout_seconds" in failed


async def test_a_git_that_is_killed_in_the_middle_leaves_a_mirror_that_goes_on(
    served: Served, line: Line, mirrors: Mirrors, tmp_path: Path
) -> None:
    url = large(served, "killed", line)
    line.hold(100_000)
    asking = asyncio.create_task(mirrors.resolve(url))
    await line.holding.wait()
    mirror = folder_of(tmp_path / "mirrors")
    os.kill(int((mirror / "lock").read_text()), signal.SIGKILL)
    with pytest.raises(SourceFailed):
        await asking
    leave_litter(mirror)
    line.release()
    commit = await mirrors.resolve(url)
    assert not litter(mirror)
    assert len((await members(mirrors, url, commit))["large"]) == 400_000


async def test_a_git_that_outlives_a_killed_daemon_is_ended_by_the_next(
    served: Served, line: Line, mirrors: Mirrors, tmp_path: Path
) -> None:
    url = large(served, "orphan", line)
    line.hold(100_000)
    command = [sys.executable, "-c", RESOLVES, str(tmp_path / "mirrors"), url, "main"]
    with subprocess.Popen(command, start_new_session=True) as daemon:
        await line.holding.wait()
        daemon.kill()
    orphan = psutil.Process(int((folder_of(tmp_path / "mirrors") / "lock").read_text()))
    assert orphan.is_running()
    leave_litter(folder_of(tmp_path / "mirrors"))
    line.release()
    asking = asyncio.create_task(mirrors.resolve(url))
    commit = await asking
    assert len((await members(mirrors, url, commit))["large"]) == 400_000
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("point", FAULT_POINTS)
async def test_a_daemon_that_is_killed_around_a_fetch_leaves_what_the_next_can_use(
    served: Served, mirrors: Mirrors, tmp_path: Path, point: str
) -> None:
    name = point.replace(":", "-")
    commit = served.repository(name).commit(a="1")
    command = [sys.executable, "-c", RESOLVES, str(tmp_path / "mirrors"), served.url(name), "main"]
    done = await asyncio.to_thread(subprocess.run, command, env={**os.environ, VARIABLE: point})
    assert done.returncode == -signal.SIGKILL
    assert await mirrors.resolve(served.url(name), commit) == commit
    assert await members(mirrors, served.url(name), commit) == {"a": b"1"}


@pytest.mark.parametrize("harm", ["HEAD", "config", "objects", "half"])
async def test_a_mirror_that_is_damaged_is_made_anew(
    served: Served, mirrors: Mirrors, tmp_path: Path, harm: str
) -> None:
    repository = served.repository(f"harmed-{harm}")
    repository.commit(a="1")
    url = served.url(f"harmed-{harm}")
    await mirrors.resolve(url)
    mirror = folder_of(tmp_path / "mirrors") / "repository"
    if harm == "half":
        mirror.rename(mirror.with_name("repository.new"))
        (mirror.with_name("repository.new") / "HEAD").unlink()
    elif harm == "objects":
        for pack in mirror.glob("objects/pack/*"):
            pack.unlink()
    else:
        (mirror / harm).write_text("")
    second = repository.commit(a="2")
    assert await mirrors.resolve(url) == second
    assert await members(mirrors, url, second) == {"a": b"2"}


async def test_exports_are_as_git_archive_makes_them(served: Served, mirrors: Mirrors) -> None:
    repository = served.repository("attributes")
    commit = repository.commit(
        __gitattributes="secret export-ignore\nversion export-subst\n",
        secret="s",
        version="$Format:%H$",
        a="1",
    )
    (repository.path / "link").symlink_to("a")
    (repository.path / "run").write_text("#!/bin/sh\n")
    (repository.path / "run").chmod(0o755)
    commit = repository.commit()
    found = await members(mirrors, served.url("attributes"), commit)
    assert found.keys() == {".gitattributes", "version", "a", "run"}
    assert found["version"].decode() == commit
    async with mirrors.export(served.url("attributes"), commit) as pieces:
        whole = b"".join([piece async for piece in pieces])
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert tar.getmember("link").linkname == "a"
        assert (tar.getmember("run").mode, tar.getmember("a").mode) == (0o755, 0o644)
        assert {(member.uid, member.gid) for member in tar} == {(0, 0)}


async def test_an_export_waits_for_its_reader_and_ends_with_it(served: Served, mirrors: Mirrors) -> None:
    url = large(served, "waits", size=4_000_000)
    commit = await mirrors.resolve(url)
    async with mirrors.export(url, commit) as pieces:
        assert await anext(pieces)
        assert [child.name() for child in children()] == ["git"]
        await asyncio.sleep(0.1)  # nobody tells when all between git and here is full
    assert not children()


async def test_an_export_whose_git_is_killed_fails(served: Served, mirrors: Mirrors) -> None:
    url = large(served, "broken-export", size=4_000_000)
    commit = await mirrors.resolve(url)
    with pytest.raises(SourceFailed, match="cannot export"):
        async with mirrors.export(url, commit) as pieces:
            await anext(pieces)
            for child in children():
                child.kill()
            await exhaust(pieces)


async def test_one_file_of_a_commit(served: Served, mirrors: Mirrors) -> None:
    commit = served.repository("files").commit(a="1", b__toml="[x]")
    url = served.url("files")
    assert await mirrors.file(url, commit, "b.toml", most_bytes=3) == b"[x]"
    for path in ("nope", "a/b", "../a", "", "-x", "/etc/passwd"):
        assert await mirrors.file(url, commit, path, most_bytes=100) is None, path
    with pytest.raises(SourceFailed, match="more than 2 bytes"):
        await mirrors.file(url, commit, "b.toml", most_bytes=2)


async def test_mirrors_that_nobody_uses_go_and_others_stay(
    served: Served, line: Line, mirrors: Mirrors, tmp_path: Path
) -> None:
    for name in ("old", "new", "used"):
        served.repository(name).commit(a=name)
        await mirrors.resolve(served.url(name))
    folders = {path.joinpath("address").read_text().strip().rpartition("/")[2]: path for path in
               (tmp_path / "mirrors").iterdir()}  # fmt: skip
    long_ago = time.time() - 10 * 24 * 3600
    (folders["new"].with_suffix(".gone")).mkdir()  # half removed by a daemon that was killed
    commit = await mirrors.resolve(served.url("used"))
    async with mirrors.export(served.url("used"), commit) as pieces:
        for name in ("old", "used"):
            os.utime(folders[name] / "address", (long_ago, long_ago))
        assert await mirrors.collect(9) == 2
        await exhaust(pieces)
    assert {path.name for path in (tmp_path / "mirrors").iterdir()} == {
        folders["new"].name, folders["used"].name,
    }  # fmt: skip
    assert await mirrors.resolve(served.url("old"))


def twins_of(repository: Repository, tree: str) -> list[str]:
    """Make two commits of that tree whose ids begin with the same seven digits."""
    seen: dict[str, bytes] = {}
    for n in itertools.count():
        text = f"tree {tree}\nauthor a <a@b> {n} +0000\ncommitter a <a@b> {n} +0000\n\nx\n".encode()
        name = hashlib.sha1(b"commit %d\0" % len(text) + text).hexdigest()[:7]  # noqa: S324 as git does
        if name in seen:
            return [repository.write("commit", twin) for twin in (seen[name], text)]
        seen[name] = text
    raise AssertionError


def large(served: Served, name: str, line: Line | None = None, *, size: int = 400_000) -> str:
    """Make a repository whose one file cannot be made smaller, and return its address."""
    repository = served.repository(name)
    (repository.path / "large").write_bytes(os.urandom(size))
    repository.commit()
    return served.url(name, line)


def leave_litter(mirror: Path) -> None:
    """Leave what a git may that is killed at its worst moments."""
    repository = mirror / "repository"
    for name in (
        "shallow.lock",
        "packed-refs.lock",
        "config.lock",
        "refs/runsd/x.lock",
        "objects/pack/tmp_pack_x",
    ):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).touch()


def children() -> list[psutil.Process]:
    """Return the processes of this one that export."""
    return [child for child in psutil.Process().children() if "archive" in child.cmdline()]


async def exhaust(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end."""
    async for _ in pieces:
        pass
