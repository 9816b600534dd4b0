"""Why a run is where it is, in words, with the next step. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runsd_sdk.quantity import format_bytes, format_cpu
from runsd_sdk.run import Phase, Reason, Run, Status, Why

from runsd.admission import Resources


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else matters: who is ahead, what is free, whether the Engine answers.

    ``held_back`` is what its own project's limits forbid, in words. Of other projects no more is told than
    that they wait too (``others_wait``).
    """

    ahead: int
    free: Resources
    engine_message: str | None
    not_before: datetime | None
    now: datetime
    pulled: Mapping[str, int]
    disk_message: str | None = None
    others_wait: bool = False
    held_back: str | None = None
    starts_at_once: int = 0
    starts_waiting: int = 0


_NEXT_STEP: Final[dict[Reason, str | None]] = {
    Reason.EXITED: "read its output: runs logs {id}",
    Reason.OOM_KILLED: "give it more memory: runs rerun {id} --memory SIZE",
    Reason.IMAGE_NOT_FOUND: "check the image's name, log in to its registry, or build it on this host",
    Reason.IMAGE_PULL_FAILED: "check the registry and the network, then: runs rerun {id}",
    Reason.COMMAND_NOT_FOUND: "check command and args against what the image contains",
    Reason.START_FAILED: "check what the Engine said; runsd doctor looks at the host",
    Reason.VOLUME_MISSING: "make the volume again, then: runs rerun {id}",
    Reason.SOURCE_FAILED: "when that is mended: runs rerun {id}",
    Reason.DEPENDENCIES_FAILED: "run it again with other requirements",
    Reason.QUEUE_EXPIRED: "allow a longer queueTtlSeconds or ask for fewer resources",
    Reason.LOST: "see who removes containers on this host, then: runs rerun {id}",
    Reason.CANCELLED: None,
    Reason.DEADLINE_EXCEEDED: "give it more time: runs rerun {id} --timeout DURATION",
}


def explain(run: Run, around: Surroundings) -> Why:
    """Put a run's state into words."""
    summary, details, step = _ended(run) if run.status.terminal else _live(run, around)
    return Why(
        id=run.id,
        status=run.status,
        phase=run.phase,
        reason=run.reason,
        summary=summary,
        details=details,
        next_step=step.format(id=run.id) if step else None,
    )


def _ended(run: Run) -> tuple[str, list[str], str | None]:
    if run.reason is None or run.finished_at is None:
        raise ValueError(f"{run.id} is terminal without a reason")
    details = [f"ended at {run.finished_at:%Y-%m-%d %H:%M:%S} UTC in attempt {run.attempt}"]
    if run.oom_killed and run.reason is not Reason.OOM_KILLED:
        details.append("a process in it was killed for memory, though that did not decide its outcome")
    if run.started_at is not None and run.finished_at < run.started_at:
        details.append("the Engine's record has it end before it began (moby#45445), so it costs nothing")
    step = None if run.status is Status.SUCCEEDED else _NEXT_STEP[run.reason]
    return f"{run.status.value}: {run.message}", details, step


def _live(run: Run, around: Surroundings) -> tuple[str, list[str], str | None]:
    trouble = [f"the Docker Engine is in trouble: {around.engine_message}"] if around.engine_message else []
    step = "mend the Engine (runsd doctor says how); nothing is lost meanwhile" if trouble else None
    if run.phase is Phase.QUEUED:
        summary, details = _queued(run, around)
        if around.disk_message:
            trouble.append(f"no run is started at the moment: {around.disk_message}")
            step = step or "free some disk space; the queue is kept and goes on by itself"
        return summary, trouble + details, step
    said = {
        Phase.PULLING: f"its image {run.spec.reference} is being pulled",
        Phase.PREPARING: "its environment is being prepared",
        Phase.STARTING: "its container is being made and started",
        Phase.RUNNING: "it is running",
        Phase.STOPPING: f"it was asked to stop and has {run.spec.stop_grace_seconds:g} s to end by itself",
    }[run.phase]
    details = list(trouble)
    if run.phase is Phase.PULLING and around.pulled:
        done, total = around.pulled.get("doneBytes", 0), around.pulled.get("totalBytes", 0)
        details.append(f"{format_bytes(done)} of {format_bytes(total)} so far")
    if run.phase is Phase.STARTING and around.starts_waiting:
        details.append(f"starts take turns, {around.starts_at_once} at a time for the most per second")
    if run.deadline_at is not None:
        left = (run.deadline_at - around.now).total_seconds()
        details.append(f"its deadline is at {run.deadline_at:%H:%M:%S} UTC, in {max(0, left):.0f} s")
    return said, details, step


def _queued(run: Run, around: Surroundings) -> tuple[str, list[str]]:
    if around.not_before is not None and around.not_before > around.now:
        waits = (around.not_before - around.now).total_seconds()
        return f"attempt {run.attempt + 1} follows in {waits:.0f} s, after a backoff", []
    requests = run.spec.resources.requests
    asks = Resources(requests.cpu_milli, requests.memory_bytes, requests.gpus)
    details = [
        f"it asks for {format_cpu(asks.cpu_milli)} cores and {format_bytes(asks.memory_bytes)};"
        f" {format_cpu(max(0, around.free.cpu_milli))} cores and"
        f" {format_bytes(max(0, around.free.memory_bytes))} are free"
    ]
    if around.ahead:
        are = "run is" if around.ahead == 1 else "runs are"
        details.append(f"{around.ahead} {are} ahead of it in the queue")
    if around.others_wait:
        details.append("other projects wait too; who holds least goes first")
    if around.held_back:
        return around.held_back, details
    if not around.free.covers(asks):
        return "it waits for resources that other runs hold", details
    return (
        "it waits for its turn" if around.ahead or around.others_wait else "it is about to start"
    ), details
