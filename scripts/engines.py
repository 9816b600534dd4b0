"""Run tests on a second Engine: another Debian release's docker.io, in namespaces of its own. Needs root.

`make test-engines` takes pytest's arguments and `--suite NAME`. The release's packages are unpacked once into
.build/engines. What runs dies with this script, however that ends: the kernel ends a process namespace with
its first process, and mounts and network go with it. Files and cgroups may stay: the next start removes them.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import packages
import second_engine

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".build" / "engines"
SUITE = "trixie"
TESTS = ["tests/acceptance", "tests/engine", "tests/daemon", "tests/environments", "tests/telemetry"]
PACKAGES = ["base-files", "docker.io", "iptables", "tini"]
UNREAD = [f"usr/share/{what}/" for what in ("doc", "man", "info", "locale", "lintian")]
CGROUPS = Path("/sys/fs/cgroup")
PATIENCE_SECONDS = 20
INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Make the Engine's root where it is missing, and run the tests on it; exit as they do."""
    if os.geteuid() != 0:
        raise packages.CannotDo("cannot start a second Engine: this needs root; run `sudo make test-engines`")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    suite, tests = asked(sys.argv[1:])
    root = HOME / suite
    try:
        with alone(HOME) as lock:
            if not root.is_dir():
                unpack(suite, root)
            tidy(root)
            try:
                code = inside(root, [sys.executable, "-m", "pytest", *tests], lock)
            finally:
                tidy(root)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def asked(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take the release out of the arguments; the rest is pytest's, and names what to test or gets TESTS."""
    parser = argparse.ArgumentParser("make test-engines", allow_abbrev=False, add_help=False)
    parser.add_argument("--suite", default=SUITE)
    known, rest = parser.parse_known_args(arguments)
    named = any(Path(argument.partition("::")[0]).exists() for argument in rest)
    return known.suite, rest if named else [*rest, *TESTS]


@contextmanager
def alone(home: Path) -> Iterator[int]:
    """Hold a lock whose descriptor the Engine's processes share: it is free when the last of them is gone."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise packages.CannotDo(
                f"cannot use {home}: another `make test-engines` does; wait for it"
            ) from None
        yield lock.fileno()


def unpack(suite: str, root: Path) -> None:
    """Unpack a release's Engine and all that it stands on. No script of a package runs."""
    begun = time.monotonic()
    print(f"getting {', '.join(PACKAGES)} of {suite} …", file=sys.stderr, flush=True)
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with (
        subprocess.Popen(["tar", "-C", partial, "-x"], stdin=subprocess.PIPE) as tar,
        tarfile.open(fileobj=tar.stdin, mode="w|") as archive,
    ):
        packages.merge(PACKAGES, archive, without=UNREAD, sources=packages.sources(suite))
    if tar.returncode:
        raise packages.CannotDo(f"cannot unpack the Engine of {suite}: tar ended with {tar.returncode}")
    for name in ("iptables", "ip6tables"):  # a package's script would have chosen this alternative
        (partial / "usr/sbin" / name).symlink_to("xtables-nft-multi")
    for name in second_engine.MOUNT_POINTS:
        (partial / name).mkdir(exist_ok=True)
    partial.rename(root)
    print(f"unpacked in {time.monotonic() - begun:.1f} s", file=sys.stderr)


def inside(root: Path, command: Sequence[str], lock: int) -> int:
    """Start the second Engine in new namespaces, run the command on it there, and return its exit code."""
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    first = [str(root / "usr/bin/tini-static"), "--", sys.executable, second_engine.__file__, str(root)]
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *namespaces, *first, *command],
        cwd=ROOT, pass_fds=[lock], start_new_session=True,
    ) as process:  # fmt: skip
        try:
            return process.wait()
        except (KeyboardInterrupt, SystemExit):  # a second one does not wait for the tests' own tidying
            interrupt(process.pid)
            process.wait()
            raise
        finally:
            process.kill()


def interrupt(unshare: int) -> None:
    """Interrupt what runs inside, which a terminal's Ctrl-C does not reach."""
    for child in Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split():
        os.kill(int(child), signal.SIGINT)


def tidy(root: Path) -> None:
    """Remove what an Engine leaves in files and cgroups, once the last of its processes is gone."""
    data = root / second_engine.DATA
    parents = {second_engine.CGROUP, *cgroup_parents(data)}
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            remove_cgroups(parents)
            if data.exists():
                shutil.rmtree(data)
        except OSError as failure:
            if time.monotonic() > until:
                raise packages.CannotDo(f"cannot tidy up after the second Engine: {failure}") from None
            time.sleep(0.1)
        else:
            return


def cgroup_parents(data: Path) -> set[str]:
    """Return the cgroups that containers were put in which are still on an Engine's record."""
    configs = (json.loads(file.read_text()) for file in data.glob("containers/*/hostconfig.json"))
    return {config["CgroupParent"] for config in configs if config["CgroupParent"].strip("/")}


def remove_cgroups(names: set[str]) -> None:
    """Remove cgroups and all below them, in every hierarchy."""
    for tree in (CGROUPS, *CGROUPS.glob("*/")):
        for name in names:
            for folder, _, _ in os.walk(tree / name.strip("/"), topdown=False):
                Path(folder).rmdir()


if __name__ == "__main__":
    main()
