"""Why a run is where it is, in words, with the next step. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

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


@dataclass(frozen=True, slots=True)
class Detail:
    """A sentence, around an instant where it tells one; as text the instant is in UTC.

    ``left_s`` is how long it is until then, where that matters.
    """

    before: str
    at: datetime | None = None
    after: str = ""
    left_s: float | None = None

    def __str__(self) -> str:
        """Return it for readers whose zone is not known."""
        if self.at is None:
            return self.before
        day = "" if self.left_s is not None else f"{self.at:%Y-%m-%d} "
        left = "" if self.left_s is None else f", in {self.left_s:.0f} s"
        return f"{self.before}{day}{self.at:%H:%M:%S} UTC{left}{self.after}"


@dataclass(frozen=True, slots=True)
class Step:
    """What a person can do next: in ``words``, and by a ``command`` where one does it.

    ``page`` is where a browser does it: the run's ``logs``, or the form that runs it ``again``, with what is
    to be changed there as ``field``.
    """

    words: str
    command: str | None = None
    page: Literal["logs", "again"] | None = None
    field: str | None = None

    def told(self, id: str) -> str:
        """Return it for readers at a terminal."""
        return f"{self.words}: {self.command.format(id=id)}" if self.command else self.words


@dataclass(frozen=True, slots=True)
class Account:
    """Why a run is where it is, in parts: a terminal and a page put the same parts into words."""

    summary: str
    details: list[Detail]
    step: Step | None


_RERUN: Final = "runs rerun {id}"
_NEXT_STEP: Final[dict[Reason, Step | None]] = {
    Reason.EXITED: Step("read its output", "runs logs {id}", "logs"),
    Reason.OOM_KILLED: Step(
        "give it more memory", f"{_RERUN} --memory SIZE", "again", "resources.requests.memory"
    ),
    Reason.IMAGE_NOT_FOUND: Step(
        "check the image's name, log in to its registry, or build it on this host",
        page="again",
        field="image",
    ),
    Reason.IMAGE_PULL_FAILED: Step("check the registry and the network, then", _RERUN, "again"),
    Reason.COMMAND_NOT_FOUND: Step(
        "check command and args against what the image contains", page="again", field="command"
    ),
    Reason.START_FAILED: Step("check what the Engine said; runsd doctor looks at the host"),
    Reason.VOLUME_MISSING: Step("make the volume again, then", _RERUN, "again"),
    Reason.SOURCE_FAILED: Step("when that is mended", _RERUN, "again", "source"),
    Reason.DEPENDENCIES_FAILED: Step(
        "run it again with other requirements", page="again", field="python.dependencies"
    ),
    Reason.QUEUE_EXPIRED: Step(
        "allow a longer queueTtlSeconds or ask for fewer resources", page="again", field="queueTtlSeconds"
    ),
    Reason.LOST: Step("see who removes containers on this host, then", _RERUN, "again"),
    Reason.CANCELLED: None,
    Reason.DEADLINE_EXCEEDED: Step(
        "give it more time", f"{_RERUN} --timeout DURATION", "again", "timeoutSeconds"
    ),
}


def explain(run: Run, around: Surroundings) -> Why:
    """Put a run's state into words."""
    found = account(run, around)
    return Why(
        id=run.id,
        status=run.status,
        phase=run.phase,
        reason=run.reason,
        summary=found.summary,
        details=[str(detail) for detail in found.details],
        next_step=found.step.told(run.id) if found.step else None,
    )


def account(run: Run, around: Surroundings) -> Account:
    """Return what explains a run's state."""
    return _ended(run) if run.status.terminal else _live(run, around)


def _ended(run: Run) -> Account:
    if run.reason is None or run.finished_at is None:
        raise ValueError(f"{run.id} is terminal without a reason")
    details = [Detail("ended at ", run.finished_at, f" in attempt {run.attempt}")]
    if run.oom_killed and run.reason is not Reason.OOM_KILLED:
        details.append(
            Detail("a process in it was killed for memory, though that did not decide its outcome")
        )
    if run.started_at is not None and run.finished_at < run.started_at:
        said = "the Engine's record has it end before it began (moby#45445), so it costs nothing"
        details.append(Detail(said))
    step = None if run.status is Status.SUCCEEDED else _NEXT_STEP[run.reason]
    return Account(f"{run.status.value}: {run.message}", details, step)


def _live(run: Run, around: Surroundings) -> Account:
    trouble = [f"the Docker Engine is in trouble: {around.engine_message}"] if around.engine_message else []
    step = Step("mend the Engine (runsd doctor says how); nothing is lost meanwhile") if trouble else None
    if run.phase is Phase.QUEUED:
        summary, waits = _queued(run, around)
        if around.disk_message:
            trouble.append(f"no run is started at the moment: {around.disk_message}")
            step = step or Step("free some disk space; the queue is kept and goes on by itself")
        return Account(summary, [Detail(each) for each in trouble + waits], step)
    said = {
        Phase.PULLING: f"its image {run.spec.reference} is being pulled",
        Phase.PREPARING: "its environment is being prepared",
        Phase.STARTING: "its container is being made and started",
        Phase.RUNNING: "it is running",
        Phase.STOPPING: f"it was asked to stop and has {run.spec.stop_grace_seconds:g} s to end by itself",
    }[run.phase]
    details = [Detail(each) for each in trouble]
    if run.phase is Phase.PULLING and around.pulled:
        done, total = around.pulled.get("doneBytes", 0), around.pulled.get("totalBytes", 0)
        details.append(Detail(f"{format_bytes(done)} of {format_bytes(total)} so far"))
    if run.phase is Phase.STARTING and around.starts_waiting:
        details.append(
            Detail(f"starts take turns, {around.starts_at_once} at a time for the most per second")
        )
    if run.deadline_at is not None:
        left_s = max(0.0, (run.deadline_at - around.now).total_seconds())
        details.append(Detail("its deadline is at ", run.deadline_at, left_s=left_s))
    return Account(said, details, step)


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
