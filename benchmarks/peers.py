"""``make bench-peers``: the same small work by Prefect with its Docker worker.

It is installed into .build/peers and an image of its own; nothing of it is a dependency of runsd's. Where it
can't be had, this says so and ends.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import images
import packages
import psutil

from benchmarks import report
from benchmarks.contestants import Contestant, Runsd
from benchmarks.daemon import Daemon, daemon
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say

PLACE = Path(__file__).resolve().parent.parent / ".build" / "peers"
BIN = PLACE / "env" / "bin"
# Prefect 3.8 does not start with a FastAPI of today, which has dropped an argument that it uses.
WANTED = ("prefect>=3.4,<4", "prefect-docker>=0.6", "fastapi<0.150")
IMAGE, PARTS = "runsd/prefect:1", PLACE / "image"
DRIVER = Path(__file__).with_name("peers_flow.py")
POOL = "runsd-bench"
READY_S, ENDED_S, LIMIT_S = 120.0, 30.0, 600.0
ROUNDS, BURST = 3, 8
Process = subprocess.Popen[str]
Stream = int | IO[str]


def main() -> int:
    """Measure, and print a table; 1 when Prefect can't be had."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started is ended
    try:
        _install()
    except (subprocess.CalledProcessError, OSError, packages.CannotDo) as failure:
        print(f"cannot compare with Prefect: {failure}", file=sys.stderr)
        return 1
    facts = report.machine()
    with (
        tempfile.TemporaryDirectory(prefix="runsd-peers-") as folder,
        _prefect(Path(folder)) as prefect,
        daemon() as ours,
    ):
        figures = list(_measured(ours, prefect))
    print(report.table(report.rows(figures)))
    report.save("peers", report.document("peers", facts, figures))
    return 0


@dataclass(frozen=True, slots=True)
class Prefect:
    """A server, a Docker worker and a driver that submits flow runs; each flow run is a container."""

    driver: Process
    processes: tuple[psutil.Process, ...]

    def single(self, network: str) -> None:
        """Carry out one flow run."""
        self.burst(1, network)

    def burst(self, runs: int, network: str) -> None:
        """Submit so many flow runs together, and wait until all of them have completed."""
        if self.driver.stdin is None or not network:
            raise RuntimeError("there is no driver")
        self.driver.stdin.write(f"{runs}\n")
        self.driver.stdin.flush()
        self._heard()

    def settle(self) -> None:
        """Do nothing: the worker removes its containers by itself."""

    def ready(self) -> None:
        """Return when the driver can be asked."""
        self._heard()

    def resident_bytes(self) -> int:
        """Return the memory that server and worker have in use, with all their children."""
        every = [child for one in self.processes for child in (one, *one.children(recursive=True))]
        return sum(int(process.memory_info().rss) for process in every)

    def _heard(self) -> None:
        if self.driver.stdout is None or not self.driver.stdout.readline():
            raise RuntimeError("a flow run did not complete")


def _measured(ours: Daemon, prefect: Prefect) -> Iterator[Figure]:
    contestants: dict[str, Contestant] = {"runsd": Runsd(ours), "prefect": prefect}
    for contestant in contestants.values():
        contestant.single("bridge")
        contestant.settle()
    say("one at a time")
    taken = alternate(contestants, lambda one: 1000 * _seconds(one, 1), rounds=ROUNDS)
    yield figure("peers.single", taken["runsd"], taken["prefect"])
    say(f"{BURST} at once")
    rates = alternate(contestants, lambda one: BURST / _seconds(one, BURST), rounds=ROUNDS)
    yield figure("peers.burst", rates["runsd"], rates["prefect"], note=f"{BURST} runs")
    resident = [one.resident_bytes() / 2**20 for one in (ours, prefect)]
    yield figure("peers.memory", resident[:1], resident[1:])


def _seconds(contestant: Contestant, runs: int) -> float:
    begun = time.perf_counter()
    contestant.burst(runs, "bridge")
    seconds = time.perf_counter() - begun
    contestant.settle()
    return seconds


def _install() -> None:
    """Make the environment of server and worker, and the image of the flow, where they are missing."""
    if not (BIN / "prefect").exists():
        say("installing Prefect; this takes a minute")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(BIN.parent)], check=True)
        _pip("install", *WANTED)
    with images.connect(timeout_s=600) as docker:
        if images.present(docker, IMAGE):
            return
        say("making an image with Prefect; this takes a minute")
        asked = ["docker", "run", "--rm", "--network", "none", images.PYTHON, "python3", "-c"]
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        python = subprocess.run([*asked, version], check=True, capture_output=True, text=True).stdout.strip()
        for_image = ["--python-version", python, "--only-binary=:all:", "--target", str(PARTS)]
        _pip("install", *for_image, WANTED[0])
        dockerfile = (
            f"FROM {images.PYTHON}\nENV PYTHONPATH=/opt/parts\nADD parts /opt/parts\nADD flow /opt/flow\n"
        )
        compiled = 'RUN ["python3", "-m", "compileall", "-q", "/opt"]\n'
        files: dict[str, bytes | Path] = {"parts": PARTS, "flow/peers_flow.py": DRIVER.read_bytes()}
        images.build(docker, IMAGE, dockerfile + compiled, files)


def _pip(*arguments: str) -> None:
    quiet = [str(BIN / "python"), "-m", "pip", "-qq", "--disable-pip-version-check"]
    subprocess.run([*quiet, *arguments], check=True, stdout=sys.stderr)


@contextmanager
def _prefect(folder: Path) -> Iterator[Prefect]:
    """Start a server, a Docker worker and the driver, with all that they keep in a folder."""
    port = _free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ, "PREFECT_HOME": str(folder), "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_WORKER_QUERY_SECONDS": "1", "DO_NOT_TRACK": "1",
    }  # fmt: skip
    variables = {
        "image": IMAGE, "image_pull_policy": "Never", "network_mode": "host", "auto_remove": True,
        "command": "python3 -m prefect flow-run execute", "env": {"PREFECT_API_URL": api},
    }  # fmt: skip
    prefect = str(BIN / "prefect")
    started: list[Process] = []
    with (folder / "log").open("w") as log:

        def start(*command: str, stdin: Stream = subprocess.DEVNULL, stdout: Stream = log) -> Process:
            process = subprocess.Popen(
                command, env=environment, stdin=stdin, stdout=stdout, stderr=log, text=True
            )
            started.append(process)
            return process

        try:
            server = start(prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port))
            _await(f"{api}/health", server)
            pool = [prefect, "work-pool", "create", POOL, "--type", "docker"]
            subprocess.run(pool, env=environment, check=True, stdout=log, stderr=log)
            worker = start(prefect, "worker", "start", "--pool", POOL, "--type", "docker")
            asked = (str(BIN / "python"), str(DRIVER), POOL, json.dumps(variables))
            driver = start(*asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            serving = tuple(psutil.Process(process.pid) for process in (server, worker))
            made = Prefect(driver, serving)
            made.ready()
            yield made
        except BaseException:
            log.flush()
            print("\n".join((folder / "log").read_text().splitlines()[-30:]), file=sys.stderr)
            raise
        finally:
            for process in reversed(started):
                _end(process)


def _await(url: str, process: Process) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("cannot start Prefect's server") from None
            time.sleep(0.2)


def _end(process: Process) -> None:
    process.terminate()
    try:
        process.communicate(timeout=ENDED_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
