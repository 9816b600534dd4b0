"""A command under what a unit confines it to, done by hand, for machines where no systemd runs.

As systemd.exec(5) says it: an empty home, a file system that is read-only but for what is given, few
capabilities, and the filters of system calls. What it does not know of a unit it refuses, so that nothing
goes untested.
"""

import argparse
import ctypes
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

DONE_HERE: Final = {
    "AmbientCapabilities", "CapabilityBoundingSet", "MemoryDenyWriteExecute", "NoNewPrivileges",
    "PrivateDevices", "PrivateTmp", "ProtectHome", "ProtectKernelTunables", "ProtectSystem",
    "RestrictAddressFamilies", "RestrictNamespaces", "RestrictSUIDSGID", "SystemCallErrorNumber",
    "SystemCallFilter", "UMask",
}  # fmt: skip
LEFT_OUT: Final = {
    # What makes no difference to a process without capabilities and without those system calls.
    "KeyringMode", "LockPersonality", "ProtectClock", "ProtectControlGroups", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "RestrictRealtime", "SystemCallArchitectures",
    # What does not confine.
    "ConfigurationDirectory", "Environment", "ExecStart", "Group", "KillMode", "LimitNOFILE", "NotifyAccess",
    "Restart", "RestartSec", "RuntimeDirectory", "RuntimeDirectoryPreserve", "StateDirectory",
    "StateDirectoryMode", "TimeoutStartSec", "TimeoutStopSec", "Type", "User", "WatchdogSec",
}  # fmt: skip
_KEPT: Final = ("RUNSD_", "NOTIFY_", "DOCKER_CONFIG")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOMES: Final = ("/root", "/home", "/run/user")
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")

# linux/mount.h, sched.h, capability.h, prctl.h, seccomp.h
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_NEW_MOUNTS = 0x20000
_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_CAPABILITIES = {"CAP_SYS_PTRACE": 19}
_DROP, _LAST_CAPABILITY = 24, 40
_WRITE, _EXEC, _SHM_EXEC = 2, 4, 0o100000
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EQUAL, _GREATER, _MASKED = 4, 6, 7

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Confine this process, and become the command."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--unit", type=Path, required=True)
    asked.add_argument("--writable", type=Path, action="append", default=[])
    asked.add_argument("--readable", type=Path, action="append", default=[])
    asked.add_argument("command", nargs=argparse.REMAINDER)
    options = asked.parse_args()
    unit = directives(options.unit)
    home = _change_the_view(options.writable, options.readable)
    os.umask(int(unit["UMask"][0], 8))
    for number in range(_LAST_CAPABILITY + 1):
        if number not in {_CAPABILITIES[name] for name in unit["CapabilityBoundingSet"]}:
            _called(_libc.prctl(_DROP, number, 0, 0, 0), "drop a capability")
    _filter_calls(unit)
    command = [word for word in options.command if word != "--"]
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
    mine = {"PATH": _PATH, "HOME": home, "USER": "root", "SHELL": "/bin/sh"}
    os.execve(command[0], command, {**kept, **mine})  # noqa: S606


def directives(unit: Path) -> dict[str, list[str]]:
    """Return what a unit's section Service says, word by word. Refuses what is not known here."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).extend(value.split())
    if unknown := found.keys() - DONE_HERE - LEFT_OUT:
        raise SystemExit(f"cannot confine: {', '.join(sorted(unknown))} is not known")
    return found


def _change_the_view(writable: Iterable[Path], readable: Iterable[Path]) -> str:
    """Take away homes, devices, temporary files and the right to write; return a home that none may enter."""
    _called(_libc.unshare(_NEW_MOUNTS), "have mounts of its own")
    _mount("none", "/", None, _REC | _PRIVATE)
    shown = {path: os.open(path, os.O_PATH) for path in (*writable, *readable)}  # of the mounts of its own
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES}
    for place, mode in (("/tmp", "1777"), ("/var/tmp", "1777"), ("/dev", "755")):
        _mount("tmpfs", place, "tmpfs", 0, f"mode={mode}")
    for name, device in devices.items():
        Path("/dev", name).touch()
        _mount(f"/proc/self/fd/{device}", f"/dev/{name}", None, _BIND)
    needed = [home for home in _HOMES if any(path.is_relative_to(home) for path in shown)]
    for home in _HOMES:
        if Path(home).is_dir():
            _mount("tmpfs", home, "tmpfs", 0, f"mode={'711' if home in needed else '000'}")
    for path, opened in shown.items():
        path.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{opened}", str(path), None, _BIND | _REC)
    _mount("/proc/sys", "/proc/sys", None, _BIND)
    _set_read_only("/")
    for place in ("/proc", "/sys/fs/cgroup", "/tmp", "/var/tmp", *map(str, writable)):
        _set_read_only(place, clear=True)
    for place in ("/proc/sys", *map(str, readable)):
        _set_read_only(place)
    return next(home for home in _HOMES if home not in needed)


def _set_read_only(place: str, *, clear: bool = False) -> None:
    wanted = (ctypes.c_uint64 * 4)(0 if clear else _READ_ONLY, _READ_ONLY if clear else 0, 0, 0)
    _called(
        _libc.syscall(
            _MOUNT_SETATTR, _AT_FDCWD, place.encode(), _AT_RECURSIVE, wanted, ctypes.sizeof(wanted)
        ),
        f"set {place} read-only",
    )


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    _called(_libc.mount(words[0], words[1], words[2], flags, words[3]), f"mount {target}")


def _filter_calls(unit: dict[str, list[str]]) -> None:
    denied = _ERRNO | errno.EPERM
    memory = _Filter(_ALLOW)
    memory.add("mmap", denied, (2, _MASKED, _WRITE | _EXEC, _WRITE | _EXEC))
    for name in ("mprotect", "pkey_mprotect"):
        memory.add(name, denied, (2, _MASKED, _EXEC, _EXEC))
    memory.add("shmat", denied, (2, _MASKED, _SHM_EXEC, _SHM_EXEC))
    sockets = _Filter(_ALLOW)
    allowed = {getattr(socket, name).value for name in unit["RestrictAddressFamilies"]}
    for family in set(range(64)) - allowed:
        sockets.add("socket", _ERRNO | errno.EAFNOSUPPORT, (0, _EQUAL, family, 0))
    sockets.add("socket", _ERRNO | errno.EAFNOSUPPORT, (0, _GREATER, 63, 0))
    spaces = _Filter(_ALLOW)
    spaces.add("setns", denied)
    spaces.add("clone3", _ERRNO | errno.ENOSYS)
    for flag in _NAMESPACES:
        spaces.add("unshare", denied, (0, _MASKED, flag, flag))
        spaces.add("clone", denied, (0, _MASKED, flag, flag))
    modes = _Filter(_ALLOW)
    for bit in (stat.S_ISUID, stat.S_ISGID):
        for name, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
            modes.add(name, denied, (argument, _MASKED, bit, bit))
        created = (2, _MASKED, os.O_CREAT, os.O_CREAT)
        modes.add("openat", denied, created, (3, _MASKED, bit, bit))
    calls = _Filter(_ERRNO | getattr(errno, unit["SystemCallErrorNumber"][0]))
    for name in sorted(_allowed_calls(unit["SystemCallFilter"])):
        calls.add(name, _ALLOW)
    for each in (memory, sockets, spaces, modes, calls):  # the last one takes away the right to load more
        each.load()


def _allowed_calls(words: Iterable[str]) -> set[str]:
    allowed: set[str] = set()
    taken = False
    for word in words:
        taken = taken or word.startswith("~")  # all after a ~ is of the same line
        named = set(_calls_of(word.removeprefix("~")))
        allowed = allowed - named if taken else allowed | named
    return allowed


def _calls_of(word: str) -> Iterator[str]:
    """Walk the system calls of a set, as systemd knows it."""
    if not word.startswith("@"):
        yield word
        return
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True
    ).stdout
    for line in said.splitlines()[1:]:
        if (name := line.strip()) and not name.startswith("#"):
            yield from _calls_of(name)


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class _Filter:
    """A filter of system calls: libseccomp, which systemd uses too."""

    def __init__(self, default: int) -> None:
        self._library: Any = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._filter = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))

    def add(self, name: str, action: int, *when: tuple[int, int, int, int]) -> None:
        """Decide a call; one that this machine does not have is left alone."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        compared = (_Comparison * len(when))(*when)
        added = self._library.seccomp_rule_add_array(
            self._filter, ctypes.c_uint32(action), number, len(when), compared
        )
        if added not in (0, -errno.EEXIST):
            raise OSError(-added, f"cannot filter {name}")

    def load(self) -> None:
        """Have the kernel use it from now on."""
        if failed := self._library.seccomp_load(self._filter):
            raise OSError(-failed, "cannot load the filter")


def _called(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main())
