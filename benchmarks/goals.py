"""The goals: every figure of ``make bench``, whom runsd is compared with, and what the median should be."""

from collections.abc import Mapping, Sequence

from benchmarks.figure import Figure, Subject, at_least, at_most

DOCKER = "docker run --rm"
PODMAN = "podman run --rm"
RAW = "docker-py, raw Engine"
PREFECT = "Prefect, Docker worker"


def _burst(network: str) -> dict[str, Subject]:
    title = f"a burst of no-op runs, network {network}"
    return {
        f"burst.{network}.docker": Subject(title, "runs/s", at_least(1.7), f"best xargs -P {DOCKER}"),
        f"burst.{network}.podman": Subject(title, "runs/s", at_least(1.5), f"best xargs -P {PODMAN}"),
        f"burst.{network}.raw": Subject(title, "runs/s", None, f"best {RAW}"),
    }


def _single(network: str) -> dict[str, Subject]:
    title = f"one no-op run, submit → result, p50, network {network}"
    return {
        f"single.{network}.docker": Subject(title, "ms", at_most(0.55), DOCKER),
        f"single.{network}.podman": Subject(title, "ms", at_most(0.75), PODMAN),
        f"single.{network}.raw": Subject(title, "ms", at_most(0.65), f"{RAW}, cold namespace"),
    }


GOALS: Mapping[str, Subject] = {
    **_burst("none"),
    **_burst("bridge"),
    **_single("none"),
    **_single("bridge"),
    "python.file": Subject(
        "a Python file in an environment that is there: more than a plain run, p50", "ms", at_most(30)
    ),
    "python.function": Subject(
        "a Python function, its value stored: more than a plain run, p50", "ms", at_most(30)
    ),
    "cpu.none": Subject("daemon's CPU per no-op run, network none", "ms", at_most(10)),
    "cpu.bridge": Subject("daemon's CPU per no-op run, network bridge", "ms", at_most(10)),
    "exit.p50": Subject("wait() returns after the Engine's own /wait, p50", "ms", at_most(10)),
    "exit.p99": Subject("wait() returns after the Engine's own /wait, p99", "ms", at_most(50)),
    "submit.each": Subject("durable submits one by one, 8 clients", "/s", at_least(1000)),
    "submit.p99": Subject("durable submits one by one, 8 clients: p99", "ms"),
    "submit.batch": Subject("durable submits in batches of 1,000", "/s", at_least(5000)),
    "submit.flood.each": Subject("durable submits one by one, while a log flood runs", "/s"),
    "submit.flood.p99": Subject("durable submits one by one, while a log flood runs: p99", "ms", at_most(25)),
    "submit.flood.batch": Subject("durable submits in batches, while a log flood runs", "/s"),
    "capture.docker_run": Subject(
        "output captured, lines of 81 bytes", "MB/s", at_least(0.9), "docker run to a pipe"
    ),
    "capture.docker_logs": Subject(
        "output captured, lines of 81 bytes", "MB/s", at_least(3), "docker logs -f"
    ),
    "follow.p50": Subject("line written → seen by a follower, p50", "ms", None, "docker logs -f"),
    "follow.p99": Subject("line written → seen by a follower, 1,000 lines/s, p99", "ms", at_most(50)),
    "memory.idle": Subject("resident memory when idle", "MiB", at_most(70)),
    "memory.running": Subject("more for each running run", "KiB", at_most(150)),
    "memory.queued": Subject("more for each queued run", "KiB", at_most(2)),
    "cpu.idle": Subject("daemon's CPU with nothing but sleeping runs", "% of a core", at_most(0.5)),
    "cpu.young": Subject("the same just after their start, when each is measured often", "% of a core"),
    "queue.admit": Subject("submit → admitted behind a long queue, p50", "ms", at_most(1.1), "a short one"),
    "queue.list": Subject("a page of a long queue, p99", "ms", at_most(1.1), "a short one"),
    "peers.single": Subject("one run, submit → result", "ms", None, PREFECT),
    "peers.burst": Subject("a burst of runs", "runs/s", None, PREFECT),
    "peers.memory": Subject("resident memory of what serves", "MiB", None, PREFECT),
}
"""In the order of the table. "No worse" is held to 1.1: less than that two medians cannot tell apart."""


def figure(key: str, runsd: Sequence[float], other: Sequence[float] = (), *, note: str = "") -> Figure:
    """Return the measurements of one of the GOALS."""
    return Figure(key, GOALS[key], runsd, other, note)
