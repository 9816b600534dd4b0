"""The cgroup that outlives its container: exact processor time and peak memory, also of a run of 50 ms.

runsd makes ``/runsd/<name>``, the Engine puts the container's own cgroup inside it (``CgroupParent``), and
what the kernel counted there can still be read when the container is gone.
"""

import asyncio
import contextlib
import errno
import os
import re
import signal
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from runsd.engine.port import EngineFacts

PARENT = "runsd"
"""The one cgroup at the root that holds all of ours."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_REMOVE_TRIES = 20
_REMOVE_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class CgroupUsage:
    """What the kernel counted for a container and all its children.

    ``memory_peak_bytes`` includes the page cache of files that the run read and wrote, which alone can bring
    it up to the memory limit; it is None with cgroup v2 before Linux 5.19. ``oom_kills`` is None with cgroup
    v1, where the kernel counts a kill in the container's own cgroup only, and that is gone after the exit.
    """

    cpu_us: int
    memory_bytes: int
    memory_peak_bytes: int | None
    oom_kills: int | None


@dataclass(frozen=True, slots=True)
class Trees:
    """Where the kernel's cgroup hierarchies are mounted; with version 2 they are all one."""

    version: int
    cpu: Path
    memory: Path
    every: tuple[Path, ...]


class Cgroups:
    """Our cgroups on the Engine's host."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees

    @classmethod
    async def detect(cls, facts: EngineFacts, host: str) -> "Cgroups | None":
        """Return our cgroups where this process may make them for that Engine, else None.

        The Engine must be local, use the cgroupfs driver and share its view of the cgroups with this process
        (not so from within a container), and this process must be able to make and remove one.
        """
        address = urlsplit(host)
        if facts.cgroup_driver != "cgroupfs" or address.scheme != "unix":
            return None
        try:
            return await asyncio.to_thread(cls._detect, address.netloc + address.path)
        except OSError:  # no right, no such file system: ordinary on many hosts
            return None

    @classmethod
    def _detect(cls, engine_socket: str) -> "Cgroups | None":
        trees = mounted(Path("/proc/self/mountinfo").read_text())
        if trees is None or not _shares_view(engine_socket):
            return None
        cgroups = cls(trees)
        probe = f"probe-{os.getpid()}"
        cgroups._make(probe)
        usage = cgroups._read(probe)
        cgroups._remove(probe)
        return cgroups if usage is not None else None

    async def make(self, name: str) -> str:
        """Make the cgroup, or keep the one of that name, and return it as a container's ``CgroupParent``."""
        await asyncio.to_thread(self._make, name)
        return f"/{PARENT}/{name}"

    async def read(self, name: str) -> CgroupUsage | None:
        """Read what was used so far, or None when there is no such cgroup."""
        return await asyncio.to_thread(self._read, name)

    async def read_each(self, names: Iterable[str]) -> dict[str, CgroupUsage]:
        """Read what was used so far in several cgroups; those that are not there, or fail, are left out."""
        return await asyncio.to_thread(self._read_each, list(names))

    async def remove(self, name: str) -> None:
        """Remove the cgroup and what the Engine made inside it; one that is gone is fine.

        The kernel keeps a cgroup busy until its last process is reaped: raises OSError when that has not
        happened within a second.
        """
        for _ in range(_REMOVE_TRIES - 1):
            try:
                return await asyncio.to_thread(self._remove, name)
            except OSError:
                await asyncio.sleep(_REMOVE_PAUSE_S)
        return await asyncio.to_thread(self._remove, name)

    async def kill(self, name: str) -> int:
        """Kill every process that is in the cgroup or below it, and return how many there were."""
        return await asyncio.to_thread(self._kill, name)

    async def list_names(self) -> list[str]:
        """Name all cgroups under ours, other daemons' too, also those that are left in one tree only."""
        return await asyncio.to_thread(self._list_names)

    def _make(self, name: str) -> None:
        for tree in {self._trees.cpu, self._trees.memory}:
            parent = tree / PARENT
            own = _below(parent, name)
            if self._trees.version == 2:
                _pass_controllers_on(tree)
            parent.mkdir(exist_ok=True)
            if self._trees.version == 2:
                _pass_controllers_on(parent)
            elif tree == self._trees.memory:
                _count_children(parent)
            own.mkdir(exist_ok=True)

    def _read(self, name: str) -> CgroupUsage | None:
        read = _read_v1 if self._trees.version == 1 else _read_v2
        try:
            return read(_below(self._trees.cpu / PARENT, name), _below(self._trees.memory / PARENT, name))
        except OSError as failure:
            if failure.errno in (errno.ENOENT, errno.ENODEV):  # ENODEV: removed between open and read
                return None
            raise

    def _read_each(self, names: Iterable[str]) -> dict[str, CgroupUsage]:
        found = {}
        for name in names:
            with contextlib.suppress(OSError, LookupError, ValueError):  # what is half gone reads oddly
                if (usage := self._read(name)) is not None:
                    found[name] = usage
        return found

    def _remove(self, name: str) -> None:
        for tree in self._trees.every:
            _remove_tree(_below(tree / PARENT, name))

    def _kill(self, name: str) -> int:
        trees = (_below(tree / PARENT, name) for tree in self._trees.every)
        processes = {pid for tree in trees for pid in _processes(tree)}
        for pid in processes - {0}:  # 0 stands for a process that cannot be seen from here
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(processes)

    def _list_names(self) -> list[str]:
        parents = (tree / PARENT for tree in self._trees.every)
        return sorted({own.name for parent in parents for own in _children(parent)})


def mounted(mountinfo: str) -> Trees | None:
    """Find the hierarchies in a ``/proc/<pid>/mountinfo``; None when the ones that count are not there."""
    by_controller: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        root, where = mount.split()[3:5]
        kind, _, options = source.split(maxsplit=2)
        if root != "/" or kind not in ("cgroup", "cgroup2"):
            continue
        path = Path(where.encode().decode("unicode_escape"))
        keys = ["unified"] if kind == "cgroup2" else options.split(",")
        for key in keys:
            by_controller.setdefault(key, path)  # a later one is somebody's second view, and may go away
    every = tuple(dict.fromkeys(by_controller.values()))
    if "memory" in by_controller and "cpuacct" in by_controller:
        return Trees(1, by_controller["cpuacct"], by_controller["memory"], every)
    if "unified" in by_controller:
        return Trees(2, by_controller["unified"], by_controller["unified"], every)
    return None


def _shares_view(engine_socket: str) -> bool:
    """Say whether the process that listens on the socket lives in our cgroup namespace."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(engine_socket)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, _, _ = struct.unpack("3i", credentials)  # 0 when it is in another process namespace
    engine_view = Path(f"/proc/{pid}/ns/cgroup")
    return pid > 0 and engine_view.readlink() == Path("/proc/self/ns/cgroup").readlink()


def _below(parent: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(f"cannot use {name!r} as a cgroup's name: letters, digits, '_', '-' and '.' only")
    return parent / name


def _pass_controllers_on(cgroup: Path) -> None:
    # Without this the files of a controller do not exist in the children.
    (cgroup / "cgroup.subtree_control").write_text("+cpu +memory")


def _count_children(cgroup: Path) -> None:
    # Always on since Linux 5.11; before, memory of children counted only if asked for ahead of the first one.
    switch = cgroup / "memory.use_hierarchy"
    if switch.exists() and switch.read_text().strip() == "0":
        switch.write_text("1")


def _read_v1(cpu: Path, memory: Path) -> CgroupUsage:
    return CgroupUsage(
        cpu_us=_number(cpu / "cpuacct.usage") // 1000,
        memory_bytes=_number(memory / "memory.usage_in_bytes"),
        memory_peak_bytes=_number(memory / "memory.max_usage_in_bytes"),
        oom_kills=None,
    )


def _read_v2(cpu: Path, memory: Path) -> CgroupUsage:
    peak = memory / "memory.peak"
    return CgroupUsage(
        cpu_us=_table(cpu / "cpu.stat")["usage_usec"],
        memory_bytes=_number(memory / "memory.current"),
        memory_peak_bytes=_number(peak) if peak.exists() else None,
        oom_kills=_table(memory / "memory.events").get("oom_kill"),
    )


def _number(file: Path) -> int:
    return int(file.read_text())


def _table(file: Path) -> Mapping[str, int]:
    return {key: int(value) for key, value in (line.split() for line in file.read_text().splitlines())}


def _remove_tree(cgroup: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        try:
            cgroup.rmdir()
        except OSError:  # there may be others in it still
            for child in _children(cgroup):
                _remove_tree(child)
            cgroup.rmdir()


def _processes(cgroup: Path) -> set[int]:
    try:
        own = {int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()}
    except OSError as failure:
        if failure.errno in (errno.ENOENT, errno.ENODEV):
            return set()
        raise
    return own.union(*(_processes(child) for child in _children(cgroup)))


def _children(cgroup: Path) -> list[Path]:
    try:
        with os.scandir(cgroup) as entries:  # it knows what is a directory without asking about each file
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as failure:
        if failure.errno in (errno.ENOENT, errno.ENODEV):
            return []
        raise
