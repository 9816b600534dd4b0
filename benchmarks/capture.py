"""A flood of output, from the submission until its last byte is safe or read."""

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bench import Bench
from benchmarks.contestants import Command
from benchmarks.daemon import Daemon, daemon, no_op
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say

LINE = "x" * 80
TIMES = 12
CHUNK = 1 << 20
LIMIT_S = 600.0
LARGE = {"requests": {"cpu": "1", "memory": "256Mi"}}


def capture(bench: Bench) -> Iterator[Figure]:
    """Measure a program that writes faster than anybody reads; every byte must arrive."""
    say("capture of output")
    script, size = _program(bench.scale.capture_bytes)
    left: list[str] = []
    with daemon() as ours:
        contestants: dict[str, Callable[[], int]] = {"runsd": lambda: _runsd(ours, script)}
        if (command := bench.docker) is not None:
            contestants |= {
                "docker_run": lambda: _docker_run(command, script),
                "docker_logs": lambda: _docker_logs(command, script, left),
            }

        def tidy() -> None:  # the removal of such a record takes a while
            ours.settle()
            while left:
                bench.engine.remove_container(left.pop())

        taken = alternate(
            contestants, lambda one: size / 1e6 / _seconds(one, size, tidy), rounds=bench.scale.rounds
        )
    for name in contestants:
        if name != "runsd":
            yield figure(f"capture.{name}", taken["runsd"], taken[name], note=f"{size / 1e6:.0f} MB")


def _program(wanted: int) -> tuple[str, int]:
    """Return a script that costs little itself, and how many bytes it writes: lines of 81."""
    lines = wanted // (TIMES * (len(LINE) + 1))
    again = " ".join(["/part"] * TIMES)
    return f"yes {LINE} | head -n {lines} >/part; cat {again}", TIMES * lines * (len(LINE) + 1)


def _seconds(capture: Callable[[], int], size: int, tidy: Callable[[], None]) -> float:
    begun = time.perf_counter()
    if (got := capture()) != size:
        raise RuntimeError(f"{got} of {size} bytes arrived")
    took = time.perf_counter() - begun
    tidy()
    return took


def _runsd(ours: Daemon, script: str) -> int:
    spec: Any = no_op(command=["sh", "-c", script], resources=LARGE)
    result = ours.client.create_and_wait(check=True, timeout=LIMIT_S, **spec)
    return result.logs.stdout_bytes


def _docker_run(command: Command, script: str) -> int:
    return _read([*command.run, "--network", "none", command.image, "sh", "-c", script])


def _docker_logs(command: Command, script: str, left: list[str]) -> int:
    docker = command.run[: command.run.index("run")]
    start = [*docker, "run", "--detach", "--network", "none", command.image, "sh", "-c", script]
    container = subprocess.run(start, check=True, capture_output=True, text=True).stdout.strip()
    got = _read([*docker, "logs", "--follow", container])
    left.append(container)
    return got


def _read(command: list[str]) -> int:
    """Read what a command writes to a pipe, and return how much it was."""
    got = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("there is no pipe")
        while chunk := process.stdout.read(CHUNK):
            got += len(chunk)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return got
