"""A Docker Engine of the tests' own, which may be stopped, killed and frozen: no other one notices."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import engine as host_engine
import psutil
from docker import APIClient

FIRST_USER = 1_000_000
"""Who root of a container is on the host of an Engine that is remapped."""

ANSWERS_S = 90.0
STOPPED_S = 60.0
# Everything of it lives in namespaces of its own, whose first process ends with our end of a pipe: when that
# is gone, however, the kernel ends what is left and takes the mounts away. What a real host keeps under /run,
# and loses at a reboot, is a file system of its own here.
_MACHINE = """
mount -t tmpfs tmpfs "$0" && mkdir -p /run/containerd && mount -t tmpfs tmpfs /run/containerd &&
for file in subuid subgid; do [ ! -e "$1/$file" ] || mount --bind "$1/$file" "/etc/$file" || exit; done &&
echo on && exec docker-init -- cat
"""
_UNSHARED = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_REMAPPED = "daemon"  # any will do that is a user and a group on the host
_CGROUPS = Path("/sys/fs/cgroup")


class PrivateEngine:
    """A dockerd in its own network, mount and process namespaces. Needs root; close it.

    Its containers run with no network. ``host`` is its address; ``eye`` a client of it, once it was started.
    ``more`` are further options of dockerd. If it is ``remapped``, root of a container is nobody on the host.
    """

    def __init__(self, *more: str, remapped: bool = False) -> None:
        # Not under pytest's directory, whose long names leave no room for sockets.
        self.directory = Path(tempfile.mkdtemp(prefix="runsd-engine-", dir="/var/tmp"))
        self.socket = self.directory / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.live_restore = False
        self._more = more
        if remapped:
            self._remap()
        self._cgroup = self.directory.name
        self._machine: subprocess.Popen[bytes] | None = None
        self._dockerd: subprocess.Popen[bytes] | None = None
        self._eye: APIClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def eye(self) -> APIClient:
        """docker-py on this Engine."""
        if self._eye is None:
            self._eye = APIClient(base_url=self.host, version="auto")
        return self._eye

    @property
    def pid(self) -> int:
        """The dockerd."""
        assert self._dockerd is not None, "the Engine is down"
        return psutil.Process(self._dockerd.pid).children()[0].pid

    @property
    def log(self) -> str:
        """The last lines of what dockerd has written."""
        return str(host_engine.log_tail(self.directory / "log"))

    # Up

    def start(self, *, live_restore: bool = False, within_s: float = ANSWERS_S) -> None:
        """Start it, the machine first where that is off, and return when it answers."""
        assert self._dockerd is None, "the Engine is up"
        machine = self._on()
        # A killed one's pid file stops the next.
        (self.directory / "pid").unlink(missing_ok=True)
        enter = ["nsenter", "--target", str(machine), "--net", "--mount", "--pid", "--"]
        with (self.directory / "log").open("ab") as log:
            self._dockerd = subprocess.Popen(
                [*enter, *self._command(live_restore=live_restore)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.live_restore = live_restore
        up = _until(lambda: self._ended() or host_engine.answers(self.host), within_s)
        assert up and not self._ended(), f"the private Engine does not answer: {self.log}"

    def load(self, image: str, source: APIClient) -> None:
        """Copy an image from another Engine."""
        for said in self.eye.load_image(b"".join(source.get_image(image))):  # type: ignore[no-untyped-call]
            assert "error" not in said, said

    # Down

    def stop(self) -> None:
        """Ask it to leave, and see it gone; unless it restores them live it stops its containers first."""
        self._signal(signal.SIGTERM)
        self._gone()

    def kill(self) -> None:
        """Kill dockerd (its containerd dies with it); shims and containers go on."""
        self._signal(signal.SIGKILL)
        self._gone()

    def crash(self) -> None:
        """Kill everything at once, containers too, as a host that loses its power does."""
        self._off()

    def restart(self, *, live_restore: bool | None = None) -> None:
        """Stop it, and start it again."""
        self.stop()
        self.start(live_restore=self.live_restore if live_restore is None else live_restore)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep it from doing or answering anything for a while; its containers go on."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def freeze(self) -> None:
        """Stop the process where it stands."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._dockerd is not None
        # nsenter stops itself beside its child.
        for pid in (self.pid, self._dockerd.pid):
            os.kill(pid, signal.SIGCONT)

    def ensure_up(self, *, live_restore: bool = False) -> None:
        """Start it if it is not there, or not in that mode."""
        if self._dockerd is not None and self._ended():
            self._gone()
        if self._dockerd is None:
            self.start(live_restore=live_restore)
        elif live_restore != self.live_restore:
            self.restart(live_restore=live_restore)

    def close(self) -> None:
        """Leave nothing behind: no process, mount, namespace, cgroup or file."""
        if self._eye is not None:
            self._eye.close()
        self._off()
        _until(self._remove_cgroups, STOPPED_S)
        shutil.rmtree(self.directory)

    def _on(self) -> int:
        """Switch the machine on if it is off, and return its first process."""
        if self._machine is None:
            run = self.directory / "run"
            run.mkdir(exist_ok=True)
            self._machine = subprocess.Popen(
                [*_UNSHARED, "sh", "-c", _MACHINE, str(run), str(self.directory)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert self._machine.stdout is not None
            assert self._machine.stdout.readline() == b"on\n", "cannot have namespaces of our own"
        return psutil.Process(self._machine.pid).children()[0].pid

    def _off(self) -> None:
        if self._machine is not None:
            for first in psutil.Process(self._machine.pid).children():
                first.kill()  # and with it everything in its namespace
            self._machine.communicate(timeout=STOPPED_S)
            self._machine = None
        if self._dockerd is not None:
            self._gone()

    def _command(self, *, live_restore: bool) -> list[str]:
        command = [
            "dockerd", "--host", self.host,
            "--data-root", str(self.directory / "data"), "--exec-root", str(self.directory / "run"),
            "--pidfile", str(self.directory / "pid"), "--cgroup-parent", f"/{self._cgroup}",
            "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--bridge", "none", "--iptables=false", "--ip-forward=false", *self._more,
        ]  # fmt: skip
        return [*command, "--live-restore"] if live_restore else command

    def _remap(self) -> None:
        """Give users of containers the numbers from FIRST_USER on, in files that only this machine sees."""
        for name in ("subuid", "subgid"):
            (self.directory / name).write_text(f"{_REMAPPED}:{FIRST_USER}:65536\n")
        self.directory.chmod(0o711)  # they pass through it
        self._more = (*self._more, f"--userns-remap={_REMAPPED}")

    def _signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def _ended(self) -> bool:
        return self._dockerd is None or self._dockerd.poll() is not None

    def _gone(self) -> None:
        assert self._dockerd is not None
        self._dockerd.wait(STOPPED_S)
        self._dockerd = None

    def _remove_cgroups(self) -> bool:
        """Remove what the Engine made; a cgroup stays busy until its last process is reaped."""
        own = [*_CGROUPS.glob(self._cgroup), *_CGROUPS.glob(f"*/{self._cgroup}")]
        for tree in own:
            for inner in sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    inner.rmdir()
            with contextlib.suppress(OSError):
                tree.rmdir()
        return not any(tree.exists() for tree in own)


def _until(done: Callable[[], bool], within_s: float) -> bool:
    until = time.monotonic() + within_s
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
