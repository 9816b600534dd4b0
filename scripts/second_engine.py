"""Run a command on the Engine that engines.py unpacked; started by it, as root in namespaces of its own."""

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import engine
import images
from docker import APIClient

MOUNT_POINTS = ("dev", "proc", "run", "sys", "tmp")
DATA = "var/lib/docker"
CGROUP = "/runsd-second-engine"
STOP_SECONDS = 30
SIOCSIFFLAGS = 0x8914  # netdevice(7)
IFF_UP = 1


def main() -> None:
    """Start the Engine, give it the first one's images, run the command, stop the Engine."""
    root, command = Path(sys.argv[1]), sys.argv[2:]
    try:
        mount(root)
        raise_loopback()
        with running(root) as host:
            copy_images(host, list(images.MAKERS))
            code = run(command, host)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


def mount(root: Path) -> None:
    """Mount what an Engine needs of the kernel. The mounts are this namespace's alone, and go with it."""
    subprocess.run(["mount", "--bind", root, root], check=True)  # dockerd wants / to be a mount point
    for what, where in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "run")):
        subprocess.run(["mount", "-t", what, what, root / where], check=True)
    for tree in ("dev", "sys/fs/cgroup"):
        subprocess.run(["mount", "--rbind", f"/{tree}", root / tree], check=True)


def raise_loopback() -> None:
    """Set the loopback device up, which a new network namespace has down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


@contextmanager
def running(root: Path) -> Iterator[str]:
    """Run the Engine, and give its address once it answers."""
    places = engine.Places(
        pid=root / "run/docker.pid", socket=root / "run/docker.sock", log=root.with_suffix(".log")
    )
    command = ["chroot", str(root), "dockerd", "--data-root", f"/{DATA}", "--exec-root", "/run/docker"]
    command += ["--pidfile", "/run/docker.pid", "--host", "unix:///run/docker.sock"]
    command += ["--cgroup-parent", CGROUP]
    with places.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PATH": engine.PATH},
        )  # fmt: skip
    try:
        engine.wait(places, pid=process.pid)
        yield f"unix://{places.socket}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def copy_images(host: str, names: Sequence[str]) -> None:
    """Copy images from the Engine that `make engine` found."""
    second = APIClient(host, version="auto", timeout=600)
    with closing(second), images.connect(timeout_s=600) as first:
        version = second.version()
        print(f"Engine {version['Version']}, API {version['ApiVersion']}", file=sys.stderr, flush=True)
        for name in names:
            if name in images.OPTIONAL and not images.present(first, name):
                continue
            for said in second.load_image(first.get_image(name)):  # type: ignore[no-untyped-call]
                if "error" in said:
                    raise SystemExit(f"cannot copy {name}: {said['error']}")


def run(command: Sequence[str], host: str) -> int:
    """Run the command with $DOCKER_HOST, and pass interrupts on to it: it has its own tidying to do."""
    with subprocess.Popen(command, env={**os.environ, "DOCKER_HOST": host}) as process:
        signal.signal(signal.SIGINT, lambda number, _: process.send_signal(number))
        return process.wait()


if __name__ == "__main__":
    main()
