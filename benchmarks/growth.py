"""What it costs to have more: queued runs, runs at once, running runs, finished runs, followers."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import history
from runsd_sdk import RunsdError

from benchmarks.contestants import Runsd
from benchmarks.crowd import through_a_crowd
from benchmarks.daemon import DISK, Daemon, daemon, no_op
from benchmarks.follow import age_ms, clock
from benchmarks.footprint import cpu_share, sleepers
from benchmarks.queued import admit_ms, blocked, page_ms, standing
from benchmarks.rounds import say
from benchmarks.statistic import quantile
from benchmarks.wire import Wire, encoded

QUEUED = (1, 10, 100, 1000, 10_000)
AT_ONCE = (10, 100, 1000)
RUNNING = (1, 10, 100, 300)
HISTORY = (1000, 10_000, 100_000, 1_000_000)
FOLLOWERS = (1, 2, 4, 8, 16, 32, 64)
TIMES = 10
PAGES = 200
IDLE_S = 15.0
FOLLOWED_LINES, FOLLOWED_RATE = 600, 100.0
ROOM_FOR_SLEEPERS = {"RUNSD_CAPACITY__CPU": "1000", "RUNSD_CAPACITY__MEMORY": "1Ti"}
# Nothing of a history is forgotten while it is looked at.
KEEP = {f"RUNSD_RETENTION__{what}": "0" for what in ("RUNS_DAYS", "EVENTS_DAYS", "MAX_RUNS", "MAX_EVENTS")}


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over a number of things; each is named with its unit behind a comma."""

    key: str
    of: str
    at: Sequence[int]
    values: Mapping[str, Sequence[float]]
    note: str = ""


Point = dict[str, float]


def of_queue() -> Curve:
    """Measure with more and more runs in the queue, none of which may start."""
    points = []
    for count in QUEUED:
        say(f"{count} queued")
        with standing(count) as ours:
            points.append({**_admission(ours), **_pages(ours), **_submits(ours), **_memory(ours)})
    return _curve("queued", "runs in the queue", QUEUED, points)


def of_crowds() -> Curve:
    """Measure with more and more runs submitted at once, all of which may start."""
    points = []
    with daemon(ROOM_FOR_SLEEPERS) as ours:
        blocked(ours)
        Runsd(ours).burst(AT_ONCE[0], "none")
        for count in AT_ONCE:
            say(f"{count} at once")
            points.append(through_a_crowd(ours, count, encoded(_never())))
    return _curve("crowd", "runs submitted at once", AT_ONCE, points)


def of_running() -> Curve:
    """Measure with more and more runs that sleep, as many as this machine takes."""
    points: list[Point] = []
    note = ""
    with daemon(ROOM_FOR_SLEEPERS) as ours:
        _no_ops(ours)
        there = 0
        for count in RUNNING:
            say(f"{count} running")
            try:
                sleepers(ours, count - there)
            except (RunsdError, RuntimeError) as failure:
                note = f"this machine takes fewer than {count}: {failure}"
                break
            there = count
            ours.settle()
            points.append({
                "idle CPU, % of a core": 100 * cpu_share(ours, IDLE_S),
                **_no_ops(ours), **_pages(ours), **_memory(ours),
            })  # fmt: skip
    return _curve("running", "sleeping runs", RUNNING, points, note=note)


def of_history() -> Curve:
    """Measure with more and more runs that are over."""
    points = []
    for count in HISTORY:
        say(f"{count} in history")
        with tempfile.TemporaryDirectory(prefix="runsd-bench-", dir=DISK) as folder:
            asyncio.run(history.make(Path(folder) / "runsd.db", history.History(count)))
            with daemon({**ROOM_FOR_SLEEPERS, **KEEP}, folder=Path(folder)) as ours:
                blocked(ours)
                boot: Point = {"boot, s": ours.served.boot_seconds}
                points.append({**boot, **_no_ops(ours), **_pages(ours), **_submits(ours), **_memory(ours)})
    return _curve("history", "runs that are over", HISTORY, points)


def of_followers() -> Curve:
    """Measure with more and more followers of one run that writes a line every hundredth of a second."""
    points = []
    with daemon() as ours:
        _followed(ours, 1)
        for count in FOLLOWERS:
            say(f"{count} followers")
            points.append(_followed(ours, count))
    return _curve("followers", "followers of one run", FOLLOWERS, points, note=f"{FOLLOWED_RATE:g} lines/s")


CURVES: Mapping[str, Callable[[], Curve]] = {
    "queued": of_queue,
    "crowd": of_crowds,
    "running": of_running,
    "history": of_history,
    "followers": of_followers,
}


def _curve(key: str, of: str, at: Sequence[int], points: Sequence[Point], *, note: str = "") -> Curve:
    values = {name: tuple(point[name] for point in points) for name in (points[0] if points else ())}
    return Curve(key, of, at[: len(points)], values, note)


def _admission(ours: Daemon) -> Point:
    return {"submit → admitted p50, ms": quantile(admit_ms(ours, TIMES), 0.5)}


def _pages(ours: Daemon) -> Point:
    taken = page_ms(ours, PAGES, page="/v1/runs?limit=50")
    return {"a page p50, ms": quantile(taken, 0.5), "a page p99, ms": quantile(taken, 0.99)}


def _submits(ours: Daemon) -> Point:
    wire, body, taken = Wire(ours.served.host), encoded(_never()), []
    for _ in range(PAGES):
        begun = time.perf_counter()
        wire.post("/v1/runs", body)
        taken.append(1000 * (time.perf_counter() - begun))
    wire.close()
    return {"a submit p50, ms": quantile(taken, 0.5)}


def _never() -> dict[str, object]:
    """Return the fields of a run that stays in the queue for as long as anybody measures."""
    never: dict[str, object] = no_op(priority=-100, resources={"requests": {"cpu": "1", "memory": "1Ti"}})
    return never


def _no_ops(ours: Daemon) -> Point:
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        ours.client.create_and_wait(check=True, **no_op())
        taken.append(1000 * (time.perf_counter() - begun))
        ours.settle()
    return {"one no-op run p50, ms": quantile(taken, 0.5)}


def _memory(ours: Daemon) -> Point:
    return {"resident, MiB": ours.resident_bytes() / 2**20}


def _followed(ours: Daemon, count: int) -> Point:
    handle = ours.client.create(**clock(FOLLOWED_LINES, rate=FOLLOWED_RATE))
    begun, cpu = time.perf_counter(), ours.cpu_s()
    with ThreadPoolExecutor(count) as threads:
        ears = [threads.submit(_heard, ours.served.host, handle.id) for _ in range(count)]
        ages = [age for ear in ears for age in ear.result()]
    share = (ours.cpu_s() - cpu) / (time.perf_counter() - begun)
    ours.settle()
    if len(ages) != count * FOLLOWED_LINES:
        raise RuntimeError(f"{len(ages)} of {count * FOLLOWED_LINES} lines arrived")
    return {
        "a line's age p50, ms": quantile(ages, 0.5),
        "a line's age p99, ms": quantile(ages, 0.99),
        "daemon's CPU, % of a core": 100 * share,
    }


def _heard(host: str, run_id: str) -> list[float]:
    wire, ages, rest = Wire(host), [], ""
    for entry in wire.lines(f"/v1/runs/{run_id}/logs?stream=stdout&follow=true"):
        *whole, rest = (rest + entry.get("text", "")).split("\n")
        ages += [age_ms(line) for line in whole]
    wire.close()
    return ages
