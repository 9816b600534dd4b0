"""Resolution by the real uv: its words, its end, and what is remembered. No container is needed."""

import asyncio
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from uv import find_uv_bin

from runsd.config import EnvironmentSettings
from runsd.environments import lock
from runsd.environments.base import Base
from runsd.environments.benches import Benches
from runsd.environments.lock import Package
from runsd.environments.metadata import Metadata
from runsd.environments.notes import Notes
from runsd.environments.requirements import Requirements, stated
from runsd.environments.resolve import Resolver
from runsd.environments.uv import Uv
from runsd.errors import DependenciesFailed
from runsd.flights import Tell
from tests.environments import silent, wheels
from tests.environments.sdists import sdist
from tests.environments.test_uvlock import MARKERS

BASE = Base(
    image_id="sha256:0",
    version="3.11.2",
    interpreter="/usr/bin/python3",
    base_interpreter="/usr/bin/python3.11",
    machine="x86_64",
    libc="glibc 2.36",
    user="0",
    free_threaded=False,
    inherited=(),
    markers=MARKERS,
)


@pytest.fixture
def links(tmp_path: Path) -> Path:
    folder = tmp_path / "links"
    wheels.wheel(folder, "first", "1.0")
    wheels.wheel(folder, "first", "2.0")
    wheels.wheel(folder, "second", requires=["first<2"])
    wheels.wheel(folder, "newer_c_library", tag="py3-none-manylinux_2_38_x86_64")
    wheels.wheel(folder, "newer_python", tag="cp313-cp313-manylinux_2_17_x86_64")
    return folder


def uvs() -> list[psutil.Process]:
    """Return the children that are uv; those of other tests' fixtures may live on."""
    return [child for child in psutil.Process().children() if child.name() == "uv"]


class Desk:
    """A resolver on a folder, with what it has said."""

    def __init__(self, folder: Path, links: Path, **settings: Any) -> None:
        chosen = EnvironmentSettings(**{"no_index": True, "find_links": [str(links)], **settings})
        self.benches = Benches(folder / "work")
        self._resolver = Resolver(Uv(chosen, folder), Notes(folder / "locks"), self.benches.lend, chosen)
        self.said: list[str] = []
        self.built: list[str] = []
        self.needs: dict[str, tuple[str, ...]] = {}

    async def lock(self, *asked: str, base: Base = BASE, requirements: Requirements | None = None) -> str:
        wanted = requirements or stated(asked)
        return await self._resolver.lock(base, wanted, self.said.append, self._build)

    async def names(self, *asked: str, requirements: Requirements | None = None) -> list[str]:
        found = lock.read(await self.lock(*asked, requirements=requirements))
        return [f"{package.name} {package.version}" for package in found]

    async def _build(self, package: Package, tell: Tell) -> Metadata:
        self.built.append(f"{package.name} {package.version}")
        needs = self.needs.get(self.built[-1], ())
        return Metadata(package.name, f"{package.version}.0", needs, extras=("more",))


@pytest.fixture
def desk(tmp_path: Path, links: Path) -> Desk:
    return Desk(tmp_path / "data", links)


async def test_what_is_required_and_what_that_requires_is_pinned(desk: Desk) -> None:
    assert await desk.names("first") == ["first 2.0"]
    assert await desk.names("second", "first") == ["first 1.0", "second 1.0"]
    assert any(re.fullmatch(r"Resolved 2 packages in .*", line) for line in desk.said)


async def test_constraints_limit_what_is_required_and_require_nothing(desk: Desk) -> None:
    limited = Requirements(lines=("first",), constraints=("first<2", "second>5"))
    assert await desk.names(requirements=limited) == ["first 1.0"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["second", "first>=2"], "second depend on first<2"),
        (["no-such-package-here"], "no-such-package-here was not found"),
        (["first==9"], r"no version of first==9"),
        (["newer-python"], r"newer-python==1\.0 has no wheels"),
        (["newer-c-library"], r"newer-c-library==1\.0 has no wheels"),
    ],
)
async def test_what_cannot_be_is_explained_by_uv(desk: Desk, asked: list[str], why: str) -> None:
    with pytest.raises(DependenciesFailed) as failed:
        await desk.lock(*asked)
    said = " ".join(str(failed.value).split())
    assert said.startswith("cannot resolve the dependencies")
    assert re.search(why, said), said
    assert "\x1b" not in said


async def test_nothing_of_a_source_distribution_runs_here(desk: Desk, links: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    bad = sdist(links, "bad", act=f"open({str(trace)!r}, 'w').close()")
    assert await desk.names("bad") == ["bad 1.0"]
    assert desk.built == ["bad 1.0"]
    assert (
        "bad has no wheel for Python 3.11.2 on x86_64 with glibc 2.36 in any version that fits" in desk.said
    )
    assert not trace.exists()

    control = [find_uv_bin(), "pip", "install", "--target", str(tmp_path / "here"), "--no-cache", str(bad)]
    subprocess.run([*control, "--python", sys.executable], check=True, capture_output=True)
    assert trace.exists()  # it would have


async def test_what_the_built_needs_is_resolved_too_and_may_lead_to_another_version(
    desk: Desk, links: Path
) -> None:
    for version in ("1.0", "2.0"):
        sdist(links, "own", version)
    sdist(links, "deeper")
    desk.needs = {
        "own 2.0": ("first>5",),
        "own 1.0": ("first<2", "deeper; extra == 'more'", "nowhere; python_version < '3'"),
    }
    assert await desk.names("own[more]") == ["deeper 1.0", "first 1.0", "own 1.0"]
    assert desk.built == ["own 2.0", "own 1.0", "deeper 1.0"]
    desk.built.clear()
    assert await desk.names("own[more]") == ["deeper 1.0", "first 1.0", "own 1.0"]
    assert desk.built == []


async def test_what_cannot_be_whatever_is_built_is_explained_after_a_few_builds(
    desk: Desk, links: Path
) -> None:
    for version in range(1, 9):
        sdist(links, "own", f"{version}.0")
        desk.needs[f"own {version}.0"] = ("first>5",)
    with pytest.raises(DependenciesFailed, match=r"what own needs does not go with the rest in 5 versions"):
        await desk.lock("own")
    assert desk.built == [f"own {version}.0" for version in (8, 7, 6, 5, 4)]
    with pytest.raises(DependenciesFailed, match=r"own<=1\.0 depends on\s+first>5"):
        await desk.lock("own<2")


async def test_a_wheel_is_taken_where_one_fits(desk: Desk, links: Path) -> None:
    sdist(links, "first", "3.0")
    sdist(links, "newer_python", "1.0")
    assert await desk.names("first") == ["first 2.0"]
    assert await desk.names("first>2", "newer-python") == ["first 3.0", "newer-python 1.0"]


async def test_what_may_not_be_built_is_not(desk: Desk, links: Path) -> None:
    sdist(links, "own")
    for only in (":all:", "own"):
        with pytest.raises(DependenciesFailed, match=r"own has no wheel for .*, and --only-binary says"):
            await desk.lock(requirements=Requirements(lines=("own",), only_wheels=(only,)))
    assert desk.built == []
    assert await desk.names(requirements=Requirements(lines=("own",), only_wheels=("first",))) == ["own 1.0"]


async def test_the_answer_is_remembered_and_after_a_while_asked_for_again(
    tmp_path: Path, links: Path
) -> None:
    desk = Desk(tmp_path / "data", links)
    before = await desk.lock("first")
    wheels.wheel(links, "first", "3.0")
    desk.said.clear()
    assert await desk.lock("first") == before
    assert desk.said == []
    later = Desk(tmp_path / "data", links, resolve_again_seconds=0)
    assert await later.names("first") == ["first 3.0"]


async def test_another_python_is_another_question(desk: Desk) -> None:
    assert await desk.lock("newer-python", base=_newer()) != await desk.lock("first", base=_newer())
    with pytest.raises(DependenciesFailed):
        await desk.lock("newer-python")


async def test_half_a_note_is_no_note(tmp_path: Path, desk: Desk) -> None:
    before = await desk.lock("first")
    (note,) = (tmp_path / "data" / "locks").iterdir()
    note.write_text('"half')
    assert await desk.lock("first") == before


async def test_a_source_that_wants_another_python_says_so(desk: Desk) -> None:
    with pytest.raises(DependenciesFailed, match=r"cannot use Python 3\.11\.2: the source requires >=3\.12"):
        await desk.lock(requirements=Requirements(lines=("first",), python=">=3.12"))


async def test_hashes_that_the_owner_lists_are_kept_to(desk: Desk, links: Path) -> None:
    right = lock.read(await desk.lock("first"))[0].wheels[0].sha256
    listed = Requirements(lines=("first",), hashes=(("first", (f"sha256:{right}",)),))
    assert await desk.names(requirements=listed) == ["first 2.0"]
    source = hashlib.sha256(sdist(links, "own").read_bytes()).hexdigest()
    listed = Requirements(lines=("own",), hashes=(("own", (f"sha256:{source}",)),))
    assert await desk.names(requirements=listed) == ["own 1.0"]
    for name in ("first", "own"):
        wrong = Requirements(lines=(name,), hashes=((name, (f"sha256:{'0' * 64}",)),))
        with pytest.raises(DependenciesFailed, match="none of its wheels"):
            await desk.lock(requirements=wrong)


async def test_an_index_that_cannot_be_reached_is_said_to_be(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "1")
    desk = Desk(tmp_path, links, no_index=False, index_url="http://me:secret@127.0.0.1:1/simple")
    with pytest.raises(DependenciesFailed, match="the package index cannot be reached") as failed:
        await desk.lock("first-of-all")
    assert "secret" not in str(failed.value)
    assert "Connection refused" in str(failed.value)


async def test_what_takes_too_long_is_ended(tmp_path: Path, links: Path) -> None:
    with silent.index() as slow:
        desk = Desk(tmp_path, links, no_index=False, index_url=slow.url, resolve_timeout_seconds=1)
        with pytest.raises(DependenciesFailed, match="it takes longer than 1 s"):
            await desk.lock("first-of-all")
    assert not uvs()
    assert left(tmp_path) == []


async def test_who_is_cancelled_leaves_no_process_and_no_file(tmp_path: Path, links: Path) -> None:
    with silent.index() as slow:
        url = slow.url.replace("//", "//me:secret@")
        desk = Desk(tmp_path, links, no_index=False, index_url=url)
        asking = asyncio.create_task(desk.lock("first-of-all"))
        await asyncio.to_thread(slow.asked.wait, 60)
        (uv,) = uvs()
        assert "secret" not in " ".join(uv.cmdline())  # which everybody on the host can read
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert not uvs()
    assert left(tmp_path) == []


async def test_the_hosts_own_settings_of_uv_are_not_read(
    tmp_path: Path, desk: Desk, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text('exclude-newer = "nonsense"')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("UV_CONSTRAINT", "/etc/shadow")
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "nonsense")
    sdist(links, "own")
    assert await desk.names("first", "own") == ["first 2.0", "own 1.0"]


@pytest.mark.parametrize("variable", ["UV_FIND_LINKS", "PIP_FIND_LINKS"])
async def test_the_daemons_own_environment_says_where_packages_come_from(
    tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "simple").mkdir()
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "simple").as_uri())
    monkeypatch.setenv(variable, str(links))
    desk = Desk(tmp_path, links, no_index=False, find_links=[])
    assert await desk.names("first") == ["first 2.0"]


@pytest.mark.parametrize(
    ("machine", "libc", "platform"),
    [
        ("x86_64", "glibc 2.36", "x86_64-manylinux_2_36"),
        ("aarch64", "glibc 2.30", "aarch64-manylinux_2_28"),
        ("x86_64", "glibc 2.99", "x86_64-manylinux_2_40"),
        ("x86_64", "glibc 2.17", "x86_64-manylinux_2_17"),
        ("aarch64", "musl 1.2.5", "aarch64-unknown-linux-musl"),
    ],
)
async def test_platforms_are_named_as_uv_knows_them(
    desk: Desk, machine: str, libc: str, platform: str
) -> None:
    base = _like(machine=machine, libc=libc)
    assert base.platform == platform
    assert "first" in await desk.lock("first", base=base)


@pytest.mark.parametrize(
    ("machine", "libc"), [("riscv64", "glibc 2.36"), ("x86_64", ""), ("x86_64", "glibc 2.5")]
)
def test_platforms_without_wheels_are_refused(machine: str, libc: str) -> None:
    with pytest.raises(DependenciesFailed, match="cannot install for"):
        _ = _like(machine=machine, libc=libc).platform


def left(folder: Path) -> list[Path]:
    """Return the benches that are still there."""
    return list((folder / "work").glob("*/*"))


def _newer() -> Base:
    return _like(version="3.13.5", libc="glibc 2.41")


def _like(**changes: Any) -> Base:
    known = {name: getattr(BASE, name) for name in Base.__slots__}
    return Base(**{**known, **changes})
