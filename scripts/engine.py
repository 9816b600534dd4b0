#!/usr/bin/env python3
"""Find a Docker Engine that answers, or install the distribution's and start it. Standard library only.

Prints the Engine's address. What this script starts stays up; it stops nothing.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packages import CannotDo, install, root_prefix

DEFAULT = "unix:///var/run/docker.sock"
NEEDED_BYTES = 2 * 10**9
START_SECONDS = 60
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
FAILURES = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class Places:
    """Where an Engine keeps what a killed one leaves behind."""

    pid: Path = Path("/var/run/docker.pid")
    socket: Path = Path("/var/run/docker.sock")
    containerd_pid: Path = Path("/var/run/docker/containerd/containerd.pid")
    containerd_socket: Path = Path("/run/containerd/containerd.sock")
    data: Path = Path("/var/lib/docker")
    log: Path = Path("/var/log/dockerd.log")


def main() -> None:
    """Make sure that an Engine answers, and print its address."""
    host = address()
    try:
        facts = ask(host, "/info")
    except FAILURES as failure:
        if host != DEFAULT:
            raise CannotDo(
                f"cannot use the Engine at {host} ({failure}); start it, or unset DOCKER_HOST"
            ) from None
        if os.geteuid() == 0:
            start(Places())
        else:
            become_root(failure)
        facts = ask_again(host)
    if host.startswith("unix:"):
        check_disk(Path(facts["DockerRootDir"]))
    print(f"Engine {facts['ServerVersion']} answers at {host}", file=sys.stderr)
    print(host)


def become_root(failure: Exception) -> None:
    """Let root find or start the Engine: only root can tell a dead one's socket from a living one's."""
    sudo = root_prefix()
    if sudo is None:
        raise CannotDo(
            f"cannot use or start a Docker Engine at {DEFAULT} ({failure}): this needs root, sudo, "
            "or a user in the group docker"
        )
    done = subprocess.run([*sudo, sys.executable, __file__], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def ask_again(host: str) -> dict[str, Any]:
    """Ask the Engine that should answer by now."""
    try:
        return ask(host, "/info")
    except FAILURES as failure:
        raise CannotDo(
            f"cannot use the Engine at {host} ({failure}); "
            "run `sudo usermod -aG docker $USER` and log in again, or repeat this as root"
        ) from None


def address() -> str:
    """Return where the Engine is asked: $DOCKER_HOST, or Docker's own default."""
    return os.environ.get("DOCKER_HOST") or DEFAULT


def ask(host: str, path: str, *, timeout_s: float = 10) -> dict[str, Any]:
    """Ask an Engine for a JSON object. Raises OSError, HTTPException or ValueError when none comes."""
    url = urllib.parse.urlsplit(host)
    if url.scheme not in ("unix", "tcp", "http"):
        raise ValueError(f"{url.scheme}:// is not supported here; use unix:// or tcp://")
    link = http.client.HTTPConnection(url.hostname or "localhost", url.port or 2375, timeout=timeout_s)
    if url.scheme == "unix":
        link.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.sock.settimeout(timeout_s)
    try:
        if url.scheme == "unix":
            link.sock.connect(url.path)
        link.request("GET", path)
        response = link.getresponse()
        answer: dict[str, Any] = json.load(response)
        if response.status != http.client.OK:
            raise ValueError(f"{path} was answered {response.status}: {answer.get('message')}")
    finally:
        link.close()
    return answer


def check_disk(folder: Path) -> None:
    """Refuse to go on with too little room where the Engine keeps its data."""
    while not os.access(folder, os.F_OK):
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise CannotDo(f"cannot go on: {free / 1e9:.1f} GB are free in {folder}, and 2 GB are needed")


def start(places: Places) -> None:
    """Install the Engine where it is missing, start it, and wait until it answers. Needs root."""
    check_disk(places.data)
    if shutil.which("dockerd", path=PATH) is None:
        install(needed_packages(), purpose="start a Docker Engine")
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=False)
        wait(places, pid=None)
    elif (running := owner(places.pid, "dockerd")) is not None:
        wait(places, pid=running)
    else:
        for leftover in leftovers(places):
            leftover.unlink()
        wait(places, pid=launch(places))
    lend_socket(places)


def needed_packages() -> list[str]:
    """Name the packages of an Engine; pulls need the certificates, AppArmor kernels its parser."""
    names = ["docker.io", "iptables", "ca-certificates"]
    switch = Path("/sys/module/apparmor/parameters/enabled")
    if switch.exists() and switch.read_text().strip() == "Y" and shutil.which("apparmor_parser") is None:
        names.append("apparmor")
    return names


def leftovers(places: Places) -> list[Path]:
    """Return what a killed Engine left behind that would stop the next: others' pids, unserved sockets."""
    stale = [
        path
        for path, program in ((places.pid, "dockerd"), (places.containerd_pid, "containerd"))
        if path.exists() and owner(path, program) is None
    ]
    return stale + [path for path in (places.socket, places.containerd_socket) if abandoned(path)]


def owner(pid_file: Path, program: str) -> int | None:
    """Return the pid in a file if that process lives and is that program."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if program_of(pid) == program else None


def program_of(pid: int) -> str | None:
    """Return the name of a living process; a zombie does not live."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
    except OSError:
        return None
    return None if rest.startswith("Z") else name


def abandoned(path: Path) -> bool:
    """Say whether a socket is there with nobody behind it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def launch(places: Places) -> int:
    """Start dockerd in a session of its own and return its pid."""
    print(f"starting dockerd (log: {places.log}) …", file=sys.stderr, flush=True)
    with places.log.open("wb") as log:
        return subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PATH": PATH},
        ).pid  # fmt: skip


def wait(places: Places, *, pid: int | None) -> None:
    """Wait until the Engine answers; say why not when it ends or takes too long. No pid: systemd has it."""
    until = time.monotonic() + START_SECONDS
    while not answers(f"unix://{places.socket}"):
        if pid is not None and program_of(pid) is None:
            pid = owner(places.pid, "dockerd")  # the package's init script may have been faster
            if pid is None:
                raise CannotDo(
                    f"{log_tail(places.log)}\ncannot start the Docker Engine: dockerd ended as above"
                )
        if time.monotonic() > until:
            hint = (
                "`journalctl -u docker` says why"
                if pid is None
                else f"end it with `kill -9 {pid}` and repeat"
            )
            raise CannotDo(
                f"{'' if pid is None else log_tail(places.log)}\n"
                f"cannot use the Docker Engine: no answer for {START_SECONDS} s; {hint}".strip()
            )
        time.sleep(0.2)


def answers(host: str) -> bool:
    """Say whether an Engine is there."""
    try:
        ask(host, "/version", timeout_s=2)
    except FAILURES:
        return False
    return True


def log_tail(path: Path) -> str:
    """Return the last lines of a log, or nothing where it cannot be read."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
    except OSError:
        return ""


def lend_socket(places: Places) -> None:
    """Let the user whose sudo started the Engine use it, until it restarts."""
    user = os.environ.get("SUDO_UID")
    if user is None:
        return
    os.chown(places.socket, int(user), -1)
    print(
        f"{places.socket} is yours until the Engine restarts; "
        "`sudo usermod -aG docker $USER` makes that lasting",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
