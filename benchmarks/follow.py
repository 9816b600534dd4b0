"""How old a line is when a follower sees it."""

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import images

from benchmarks.bench import Bench
from benchmarks.contestants import Command
from benchmarks.daemon import Daemon, daemon, no_op
from benchmarks.figure import Figure
from benchmarks.goals import figure
from benchmarks.rounds import alternate, say
from benchmarks.statistic import quantile

RATE = 1000
# Writes the time, so many times and so often a second. A container has its host's clock.
CLOCK = """
import sys, time
lines, rate = int(sys.argv[1]), float(sys.argv[2])
begin = time.time() + 0.5
for n in range(lines):
    time.sleep(max(0, begin + n / rate - time.time()))
    sys.stdout.write(f"{time.time():.6f}\\n")
    sys.stdout.flush()
"""


def follow(bench: Bench) -> Iterator[Figure]:
    """Measure a program that writes the time, seen by runsd's SDK and by ``docker logs -f``."""
    say("followed output")
    lines = int(RATE * bench.scale.follow_seconds)
    with daemon() as ours:
        contestants: dict[str, Callable[[], list[float]]] = {"runsd": lambda: _runsd(ours, lines)}
        if (command := bench.docker) is not None:
            contestants["docker"] = lambda: _docker_logs(command, lines)
        ages = alternate(contestants, lambda one: _complete(one(), lines), rounds=bench.scale.rounds)
    p50 = {name: [quantile(age, 0.5) for age in rounds] for name, rounds in ages.items()}
    note = f"{lines} lines a round"
    if "docker" in p50:
        yield figure("follow.p50", p50["runsd"], p50["docker"], note=note)
    yield figure("follow.p99", [quantile(age, 0.99) for age in ages["runsd"]], note=note)


def clock(lines: int, *, rate: float = RATE) -> Any:
    """Return the fields of a run that writes the time, line by line."""
    return no_op(image=images.PYTHON, command=["python3", "-c", CLOCK, str(lines), str(rate)])


def age_ms(line: str) -> float:
    """Return how long ago a line of such a run was written."""
    return 1000 * (time.time() - float(line))


def _complete(ages: list[float], lines: int) -> list[float]:
    if len(ages) != lines:
        raise RuntimeError(f"{len(ages)} of {lines} lines arrived")
    return ages


def _runsd(ours: Daemon, lines: int) -> list[float]:
    ages, rest = [], ""
    for entry in ours.client.create(**clock(lines)).logs(follow=True, stream="stdout"):
        *whole, rest = (rest + entry.text).split("\n")
        ages += [age_ms(line) for line in whole]
    ours.settle()
    return ages


def _docker_logs(command: Command, lines: int) -> list[float]:
    docker = command.run[: command.run.index("run")]
    program = ["python3", "-c", CLOCK, str(lines), str(RATE)]
    start = [*docker, "run", "--detach", "--network", "none", images.PYTHON, *program]
    container = subprocess.run(start, check=True, capture_output=True, text=True).stdout.strip()
    tail = [*docker, "logs", "--follow", container]
    try:
        with subprocess.Popen(tail, stdout=subprocess.PIPE, text=True) as process:
            return [age_ms(line) for line in process.stdout or ()]
    finally:
        subprocess.run([*docker, "rm", "--force", container], check=True, stdout=subprocess.DEVNULL)
