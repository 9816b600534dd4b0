"""The command ``runs`` as a person's shell starts it: a process with the address of a daemon."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.daemon.harness import Daemon

RUNS = Path(sys.executable).with_name("runs")
ENDED_S = 30


def runs(
    daemon: Daemon, *words: str, cwd: Path | None = None, **env: str
) -> "subprocess.CompletedProcess[str]":
    """Carry out one command, and return its exit code and both streams."""
    return subprocess.run(
        [RUNS, *words], cwd=cwd, env=environment(daemon, **env), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=ENDED_S, check=False,
    )  # fmt: skip


def answer(daemon: Daemon, *words: str) -> str:
    """Return what a command that succeeds writes on stdout; it has nothing to say besides."""
    done = runs(daemon, *words)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@contextmanager
def started(daemon: Daemon, *words: str, stderr: int = subprocess.PIPE) -> "Iterator[subprocess.Popen[str]]":
    """Lend a command that goes on, as the foreground process group of a shell would be."""
    with subprocess.Popen(
        [RUNS, *words], env=environment(daemon), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def ctrl_c(process: "subprocess.Popen[str]") -> None:
    """Do what a terminal does at Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


def line(stream: Any) -> str:
    """Wait for the next line of a stream."""
    text: str = stream.readline()
    assert text, "the stream has ended"
    return text


def connections(daemon: Daemon) -> int:
    """Count the sockets that carry the daemon's name: its listener, and one for each connection."""
    return Path("/proc/net/unix").read_text().count(f" {daemon.socket}\n")


def environment(daemon: Daemon, **more: str) -> dict[str, str]:
    """Return the environment of a person who knows the daemon's address."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("RUNSD_")}
    return {**own, "RUNSD_HOST": f"unix://{daemon.socket}", **more}
