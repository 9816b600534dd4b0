"""A daemon of our own: started with all it keeps in a folder, ended, and swept off the Engine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import engine
import images
import packages
from runsd_sdk import DaemonUnreachable, RunsClient

READY_SECONDS = 30
STOP_SECONDS = 30
LABELS = ("io.runsd.instance", "io.runsd.sandbox", "io.runsd.workshop")
"""Whose containers are whose: all have the daemon's instance as their value."""
ENVIRONMENT = "io.runsd.environment"
"""Whose images are whose."""
RUNSD = Path(sys.executable).with_name("runsd")


@dataclass(slots=True)
class Served:
    """A daemon that answers. ``left`` names, once it has ended, what it had left on the Engine."""

    host: str
    pid: int
    instance: str
    boot_seconds: float
    left: list[str] = field(default_factory=list)


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[Served]:
    """Run `runsd serve` with ``RUNSD_<SECTION>__<KEY>`` settings, and nothing of the caller's own.

    Whatever it leaves on the Engine is removed. Raises CannotDo, with its log, when it fails.
    """
    socket, log, config = folder / "runsd.sock", folder / "runsd.log", folder / "config.toml"
    config.touch()
    command: list[str | Path] = [RUNSD, "serve", "--config", config, "--socket", socket]
    command += ["--data-dir", folder, "--docker-host", engine.address()]
    mine = {key: value for key, value in os.environ.items() if not key.startswith("RUNSD_")}
    begun = time.monotonic()
    with log.open("wb") as output:
        # In its own session: a Ctrl-C is for the program that still needs the daemon to clean up.
        process = subprocess.Popen(
            command, env={**mine, **settings}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    daemon = None
    try:
        instance = _wait_until_ready(process, f"unix://{socket}", log)
        daemon = Served(f"unix://{socket}", process.pid, instance, time.monotonic() - begun)
        yield daemon
    finally:
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if daemon is not None:
            daemon.left += sweep(daemon.instance)
    if code:
        raise packages.CannotDo(f"{engine.log_tail(log)}\nrunsd ended with {code}")


def sweep(instance: str) -> list[str]:
    """Remove and name what that daemon left on the Engine."""
    runs, *others = ({"label": f"{label}={instance}"} for label in LABELS)
    with images.connect() as docker:
        containers = [each for mine in (runs, *others) for each in docker.containers(all=True, filters=mine)]
        for container in containers:
            docker.remove_container(container["Id"], force=True)
        volumes = docker.volumes(filters=runs)["Volumes"] or []
        for volume in volumes:
            docker.remove_volume(volume["Name"])
        for image in docker.images(filters={"label": f"{ENVIRONMENT}={instance}"}):  # kept on purpose
            for name in image["RepoTags"] or ():
                docker.remove_image(name, force=True)
    for place in ("runsd", "*/runsd"):  # cgroup v2, v1
        for cgroup in Path("/sys/fs/cgroup").glob(f"{place}/{instance}.*"):
            _remove(cgroup)
    return [each["Names"][0] for each in containers] + [each["Name"] for each in volumes]


def _remove(cgroup: Path) -> None:
    """Remove a cgroup; the container's own one inside it goes a little later than its container."""
    for _ in range(100):
        try:
            cgroup.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return


def _wait_until_ready(process: "subprocess.Popen[bytes]", host: str, log: Path) -> str:
    """Ask the daemon who it is until it answers; show its log when it will not."""
    until = time.monotonic() + READY_SECONDS
    with RunsClient(host) as client:
        while True:
            try:
                return client.info().instance
            except DaemonUnreachable:
                if process.poll() is not None or time.monotonic() > until:
                    raise packages.CannotDo(f"{engine.log_tail(log)}\ncannot start runsd") from None
                time.sleep(0.02)
