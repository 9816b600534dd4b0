"""The real command as a service manager starts it: with somebody to notify, or with sockets passed."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

RUNSD = Path(sys.executable).with_name("runsd")
PATIENCE_S = 30.0


def environment(**more: str) -> dict[str, str]:
    """Return the caller's environment without its own runsd's settings and service manager."""
    foreign = ("RUNSD_", "LISTEN_", "WATCHDOG_", "NOTIFY_")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | more


def run(*arguments: str | Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run ``runsd`` to its end."""
    command = [RUNSD, *arguments]
    return subprocess.run(
        command, env=environment(**more), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def serving(directory: Path, engine_host: str) -> list[str | Path]:
    """Return the command that serves in a directory of its own."""
    return [
        RUNSD, "serve", "--docker-host", engine_host,
        "--socket", directory / "runsd.sock", "--data-dir", directory / "data",
    ]  # fmt: skip


@contextmanager
def started(
    command: Sequence[str | Path], directory: Path, **more: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command, which writes to ``log``; it is ended at the end, if it lives by then."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment(**more), stdout=log, stderr=log)
    try:
        yield process
        process.terminate()
        process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@contextmanager
def ready(directory: Path, engine_host: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Serve, entered when the socket answers."""
    with (
        Manager(directory / "notify") as manager,
        started(serving(directory, engine_host), directory, NOTIFY_SOCKET=str(manager.path)) as process,
    ):
        manager.until("READY=1")
        yield process


class Manager:
    """The ear of a service manager: sd_notify(3)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[tuple[float, str]] = []

    def __enter__(self) -> "Manager":
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(self.path))
        self._ear.settimeout(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._ear.close()

    def until(self, word: str, times: int = 1) -> None:
        """Listen until a message was heard so often; later ones wait to be heard."""
        while self.count(word) < times:
            message = self._ear.recv(4096).decode()
            self.heard.append((time.monotonic(), message.partition("\n")[0]))

    def count(self, word: str) -> int:
        """Return how often a message was heard."""
        return sum(message == word for _, message in self.heard)

    def gaps(self, word: str) -> list[float]:
        """Return the seconds between a message and the next of its kind."""
        times = [at for at, message in self.heard if message == word]
        return [later - sooner for sooner, later in pairwise(times)]


def wait_for(look: Callable[[], bool]) -> None:
    """Look until it is so, for what nobody signals."""
    until = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < until, "it has not come to pass"
        time.sleep(0.02)
