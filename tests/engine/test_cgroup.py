"""The cgroup that outlives its container, on the real kernel."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runsd.engine.cgroup import Cgroups, CgroupUsage, Trees, mounted
from runsd.engine.docker import DockerEngine
from runsd.engine.port import Stream
from tests.engine.conftest import RequestOf

BUSY = "(i=0; while [ $i -lt 375000 ]; do i=$((i+1)); done; times)"  # about 300 ms on one core
MIB = 1024**2


@pytest.fixture
async def cgroups(engine: DockerEngine, engine_host: str) -> Cgroups:
    found = await Cgroups.detect(await engine.facts(), engine_host)
    if found is None:
        pytest.skip("this process may not make cgroups for this Engine")
    return found


@pytest.fixture
def trees() -> Iterator[Trees]:
    """The host's hierarchies; nothing of ours may be left in them after the test."""
    found = mounted(Path("/proc/self/mountinfo").read_text())
    assert found is not None
    yield found


@pytest.fixture
async def name(cgroups: Cgroups, trees: Trees, label: str) -> AsyncIterator[str]:
    name = f"runsd-test-{label}"
    yield name
    await cgroups.remove(name)
    assert [path for tree in trees.every for path in (tree / "runsd").glob(f"*{label}*")] == []


async def test_what_a_short_run_used_is_exact_after_it_is_removed(
    engine: DockerEngine, cgroups: Cgroups, request_of: RequestOf, name: str
) -> None:
    container = await engine.create(request_of("sh", "-c", BUSY, cgroup_parent=await cgroups.make(name)))
    async with engine.attach(container) as pieces:
        await engine.start(container)
        said = b"".join([data async for stream, data in pieces if stream is Stream.STDOUT]).decode()
    await engine.wait(container)
    at_exit = await cgroups.read(name)
    await engine.remove(container)
    removed = await cgroups.read(name)
    assert at_exit is not None
    assert removed is not None
    assert removed.cpu_us >= at_exit.cpu_us
    own_us = sum(int(float(seconds) * 1_000_000) for seconds in re.findall(r"0m([\d.]+)s", said))
    # The program's own count has steps of 10 ms; starting it (runc, init) costs some more inside the cgroup.
    assert own_us - 20_000 <= removed.cpu_us <= own_us + 150_000


async def test_the_peak_is_that_of_all_children_together(
    engine: DockerEngine, cgroups: Cgroups, request_of: RequestOf, name: str
) -> None:
    hold = "head -c 10485760 /dev/zero | tail -n 1 >/dev/null"  # tail keeps the 10 MiB
    request = request_of("sh", "-c", f"{hold} & {hold} & wait", cgroup_parent=await cgroups.make(name))
    container = await engine.create(request)
    await engine.start(container)
    await engine.wait(container)
    await engine.remove(container)
    usage = await cgroups.read(name)
    assert usage is not None
    assert usage.memory_peak_bytes is not None
    assert 10 * MIB < usage.memory_peak_bytes <= request.memory_bytes
    assert usage.memory_bytes < usage.memory_peak_bytes


async def test_a_run_that_exceeds_its_memory_peaks_at_the_limit(
    engine: DockerEngine, cgroups: Cgroups, request_of: RequestOf, name: str
) -> None:
    request = request_of("tail", "/dev/zero", memory_bytes=16 * MIB, cgroup_parent=await cgroups.make(name))
    container = await engine.create(request)
    await engine.start(container)
    await engine.wait(container)
    facts = await engine.inspect(container)
    assert facts is not None
    assert facts.oom_killed
    usage = await cgroups.read(name)
    assert usage is not None
    assert usage.memory_peak_bytes is not None
    assert 15 * MIB < usage.memory_peak_bytes <= 17 * MIB
    kills_seen = (await engine.facts()).cgroup_version == 2
    assert usage.oom_kills == (1 if kills_seen else None)


async def test_make_and_remove_may_be_repeated(cgroups: Cgroups, name: str) -> None:
    assert await cgroups.make(name) == await cgroups.make(name) == f"/runsd/{name}"
    assert name in await cgroups.list_names()
    used = await cgroups.read(name)
    assert used is not None
    assert used.cpu_us == 0
    await cgroups.remove(name)
    await cgroups.remove(name)
    assert await cgroups.read(name) is None
    assert name not in await cgroups.list_names()


async def test_several_cgroups_are_read_at_once_but_for_those_gone(cgroups: Cgroups, name: str) -> None:
    await cgroups.make(name)
    used = await cgroups.read_each([f"{name}-gone", name])
    assert used == {name: await cgroups.read(name)}
    await cgroups.remove(name)
    assert await cgroups.read_each([name]) == {}


async def test_a_busy_cgroup_is_kept_and_said_to_be_busy(
    engine: DockerEngine, cgroups: Cgroups, request_of: RequestOf, name: str
) -> None:
    container = await engine.create(request_of("sleep", "60", cgroup_parent=await cgroups.make(name)))
    await engine.start(container)
    with pytest.raises(OSError, match="busy"):
        await cgroups.remove(name)
    assert await cgroups.read(name) is not None
    await engine.remove(container)


async def test_processes_that_nobody_knows_are_killed(
    engine: DockerEngine, cgroups: Cgroups, request_of: RequestOf, name: str
) -> None:
    container = await engine.create(request_of("sleep", "60", cgroup_parent=await cgroups.make(name)))
    await engine.start(container)
    assert await cgroups.kill(name) >= 1
    await engine.wait(container)
    facts = await engine.inspect(container)
    assert facts is not None
    assert facts.exit_code == 137
    await engine.remove(container)
    await cgroups.remove(name)
    assert await cgroups.kill(name) == 0


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/etc", "a b", "-a"])
async def test_a_name_that_leads_elsewhere_is_refused(cgroups: Cgroups, bad: str) -> None:
    with pytest.raises(ValueError, match="as a cgroup's name"):
        await cgroups.make(bad)


async def test_cgroups_are_left_alone_where_the_engine_would_not_see_them(
    engine: DockerEngine, engine_host: str, tmp_path: Path
) -> None:
    facts = await engine.facts()
    assert await Cgroups.detect(facts, "tcp://127.0.0.1:2375") is None
    assert await Cgroups.detect(facts, f"unix://{tmp_path}/none.sock") is None
    assert await Cgroups.detect(replace(facts, cgroup_driver="systemd"), engine_host) is None


V1 = """\
30 20 0:26 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,size=4096k
31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw
33 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
34 30 0:32 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory
35 20 0:32 /docker/x /mnt/bound rw shared:16 - cgroup cgroup rw,memory
36 30 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
37 20 0:32 / /srv/chroot/sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_the_hierarchies_are_found_where_they_are_mounted() -> None:
    root = Path("/sys/fs/cgroup")
    v1, v2 = mounted(V1), mounted(V2)
    assert v1 is not None
    assert (v1.version, v1.cpu, v1.memory) == (1, root / "cpu,cpuacct", root / "memory")
    assert set(v1.every) == {root / one for one in ("unified", "cpu,cpuacct", "memory", "systemd")}
    assert v2 == Trees(2, root, root, (root,))
    assert mounted("25 30 0:23 / /sys rw - sysfs sysfs rw\n") is None


async def test_the_files_of_version_2_are_read(tmp_path: Path) -> None:
    """The texts are those of Linux 6.1; the directory stands in for the kernel's file system."""
    own = tmp_path / "runsd" / "some"
    cgroups = Cgroups(Trees(2, tmp_path, tmp_path, (tmp_path,)))
    assert await cgroups.make("some") == "/runsd/some"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (tmp_path / "runsd/cgroup.subtree_control").read_text() == "+cpu +memory"
    (own / "cpu.stat").write_text("usage_usec 310456\nuser_usec 300000\nsystem_usec 10456\n")
    (own / "memory.current").write_text("4096\n")
    (own / "memory.events").write_text("low 0\nhigh 0\nmax 31\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert await cgroups.read("some") == CgroupUsage(310_456, 4096, None, 1)
    (own / "memory.peak").write_text("16777216\n")
    assert await cgroups.read("some") == CgroupUsage(310_456, 4096, 16_777_216, 1)
    assert await cgroups.read("other") is None
