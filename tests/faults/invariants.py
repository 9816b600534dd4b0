"""What must hold after any fault: the client's book, the daemon's answers and the Engine's truth agree."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal

from runsd_sdk.run import Event, Phase, Reason, Run, Status

from runsd.supervise.starting import half_started
from tests import leaks
from tests.daemon.harness import Daemon, container_name
from tests.faults.programs import Program
from tests.faults.witness import Container, Witness
from tests.faults.workload import Book, Submission

_EXACT = Context(prec=60)
_NANO = 1_000_000_000
_MICRO = 1_000_000
# What a data directory may hold while its daemon runs.
_FILES = {
    "lock",
    "telemetry.key",
    "telemetry.port",
    "sources",
    "environments",
    *(f"{name}{end}" for name in ("runsd.db", "logs.db") for end in ("", "-wal", "-shm")),
}
# A removal that the Engine was not there for is left to the reconciler, which comes every half minute.
_RECONCILED_S = 60.0
_NEVER_RAN = (Reason.CANCELLED, Reason.QUEUE_EXPIRED)


@dataclass(slots=True)
class Findings:
    """How much was compared, and what was wrong, in words."""

    violations: list[str] = field(default_factory=list)
    runs: int = 0
    attempts: int = 0
    log_bytes: int = 0
    gaps: int = 0

    def add(self, other: "Findings") -> None:
        """Add another round's."""
        self.violations += other.violations
        self.runs += other.runs
        self.attempts += other.attempts
        self.log_bytes += other.log_bytes
        self.gaps += other.gaps


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is asked: the daemon and the witness.

    ``engine_died``: the Engine was killed or stopped under its containers, so that these may have ended from
    outside, and what the dead one had read of their output and not written is in nobody's record.
    ``boots`` are when the host was started again: of containers that ran then the Engine invents an exit.
    """

    daemon: Daemon
    witness: Witness
    engine_died: bool = False
    boots: Sequence[datetime] = ()

    def invented(self, container: Container | None) -> bool:
        """Say whether the Engine made the container's exit up when it came back: it did not see it."""
        if container is None or container.started_at is None or container.finished_at is None:
            return False
        return any(container.started_at < boot <= container.finished_at for boot in self.boots)


def findings(truth: Truth, book: Book) -> Findings:
    """Compare everything once all runs of the book are over."""
    found = Findings()
    for submission in book.submissions:
        for problem in _submission(truth, submission, found):
            found.violations.append(
                f"{submission.tag} ({submission.program.kind}, {submission.id}): {problem}"
            )
    found.violations += _bill(truth, book)
    found.violations += _host(truth)
    return found


# One run


def _submission(truth: Truth, submission: Submission, found: Findings) -> Iterator[str]:
    client = truth.daemon.client
    if submission.trouble is not None:
        yield f"its owner had trouble: {submission.trouble}"
    runs = list(client.iterate(name=submission.tag))
    if len(runs) > 1 or (submission.id is not None and [run.id for run in runs] != [submission.id]):
        yield f"accepted as {submission.id}, and listed are {[run.id for run in runs]}"
    for run in runs[:1]:
        found.runs += 1
        if submission.result is not None:
            yield from _unchanged(submission.result, run)
        yield from _events(list(client.events(run.id)))
        yield from _outcome(truth, submission, run)
        for number in range(1, run.attempt + 1):
            found.attempts += 1
            yield from _attempt(truth, submission, run, number, found)
        yield from _followed(truth, submission, run)


def _unchanged(first: Run, now: Run) -> Iterator[str]:
    for name in Run.model_fields:
        then, later = getattr(first, name), getattr(now, name)
        if then != later:
            yield f"its {name} was {then!r} when it was over, and is {later!r} now"


def _events(events: list[Event]) -> Iterator[str]:
    types = [event.type for event in events]
    if types.count("run.finished") != 1 or types[-1] != "run.finished":
        yield f"its events are {types}"
    running = Counter(event.data["attempt"] for event in events if event.type == "run.running")
    if any(count > 1 for count in running.values()):
        yield f"its attempts came to run more than once: {types}"


def _outcome(truth: Truth, submission: Submission, run: Run) -> Iterator[str]:
    """Say what is wrong with how it ended, as far as its program and its owner determine that."""
    if not run.status.terminal or run.reason is None:
        yield f"it is {run.status.value} still"
        return
    container = _container(truth, run.id, run.attempt)
    expected = submission.program.reasons
    if submission.cancel_asked:
        expected = (*expected, Reason.CANCELLED)
    if truth.engine_died and run.reason is Reason.EXITED:
        pass  # the Engine ended it, and its record says so
    elif (run.reason is Reason.LOST and truth.invented(container)) or (
        truth.engine_died and run.reason is Reason.LOST and _half_started(container)
    ):
        pass
    elif run.reason is Reason.EXITED and Reason.OOM_KILLED in expected and not _oom_killed(container):
        pass  # the Engine did not notice, which happens when the exit is seen before the lack of memory
    elif run.reason not in expected:
        yield f"it ended as {run.reason.value} ({run.message}), expected {[r.value for r in expected]}"
    if container is None and run.reason not in _NEVER_RAN:
        yield f"it ended as {run.reason.value}, and nobody saw its container"
    if (run.status is Status.SUCCEEDED) != (run.reason is Reason.EXITED and run.exit_code == 0):
        yield f"it is {run.status.value} with {run.reason.value} and code {run.exit_code}"


def _oom_killed(container: Container | None) -> bool:
    return container is not None and bool(container.state["OOMKilled"])


def _half_started(container: Container | None) -> bool:
    """Say whether the Engine died while it started the container: it does not know what came of that."""
    if container is None or container.started_at is not None:
        return False
    return half_started(container.state["Error"])


# One attempt


def _attempt(truth: Truth, submission: Submission, run: Run, number: int, found: Findings) -> Iterator[str]:
    yield from (f"attempt {number}: {said}" for said in _once(truth, run.id, number))
    container = _container(truth, run.id, number)
    if container is not None:
        if number == run.attempt:
            yield from _facts(truth, container, run)
        said = _log(truth, submission, run, number, container, found)
        yield from (f"attempt {number}: {problem}" for problem in said)


def _once(truth: Truth, run_id: str, number: int) -> Iterator[str]:
    name = container_name(run_id, number)
    seen = truth.witness.containers.get(name, {})
    # One whose sandbox a killed Engine refuses to start has not run, and is made anew.
    if truth.engine_died and sum(container.ran for container in seen.values()) <= 1:
        pass
    elif truth.witness.creates[name] > 1 or len(seen) > 1:
        yield f"{truth.witness.creates[name]} containers were made for it, {len(seen)} of them seen"
    for container in seen:
        if truth.witness.starts[container] > 1:
            yield f"its container was started {truth.witness.starts[container]} times"


def _facts(truth: Truth, container: Container, run: Run) -> Iterator[str]:
    """Compare a run with the Engine's record of its last container."""
    if container.state["Running"]:
        yield "its container was removed while it ran"
    told = [
        ("startedAt", run.started_at, container.started_at),
        ("finishedAt", run.finished_at, container.finished_at),
        ("exitCode", run.exit_code, container.exit_code),
    ]
    if truth.invented(container):
        told = told[:1]  # there is no exit to tell of
    elif container.started_at is None:
        # It never ran; or its Engine was killed as it started it, and knows no beginning of what runs.
        told = told[1:] if truth.engine_died and container.finished_at is not None else told[:1]
    for name, ours, engines in told:
        if ours != engines:
            yield f"its {name} is {ours}, the Engine's {engines}"


def _log(
    truth: Truth, submission: Submission, run: Run, number: int, container: Container, found: Findings
) -> Iterator[str]:
    """Compare a stored log with the Engine's and with what the program must have written."""
    program = submission.program
    ordinal = _ordinal(program, container, number)
    remarks = None
    for stream in ("stdout", "stderr"):
        stored = truth.daemon.raw(run.id, stream, attempt=number)
        found.log_bytes += len(stored)
        whole = container.exit_code == program.code(ordinal) and not truth.engine_died
        wrong = (
            []
            if stored == container.output[stream]
            else [_differ(stored, container.output[stream], "the Engine's")]
        )
        expected = program.printed(submission.tag, stream, ordinal=ordinal, most=len(stored))
        if program.lines[stream] is None or not whole or run.reason is not Reason.EXITED:
            expected = expected[: len(stored)]
        unlike = [] if stored == expected else [_differ(stored, expected, "what it must have printed")]
        if truth.engine_died and not (wrong and unlike):
            continue  # either record may be the longer one
        if not wrong + unlike:
            continue
        if remarks is None:
            remarks = _remarks(truth, run.id, number)
        if remarks:
            found.gaps += 1
        else:
            yield from (f"{stream}: {problem}" for problem in wrong + unlike)


def _ordinal(program: Program, container: Container, number: int) -> int:
    """Return which start of the program this was; one that counts its starts says so in its first line."""
    if not program.counts:
        return 1
    first = container.output["stdout"].partition(b" ")[0].rpartition(b".")[2]
    return int(first) if first.isdigit() else number


def _remarks(truth: Truth, run_id: str, number: int) -> list[str]:
    entries = truth.daemon.client.logs(run_id, attempt=number)
    return [entry.text for entry in entries if entry.stream == "system"]


def _differ(ours: bytes, theirs: bytes, whose: str) -> str:
    """Say where two texts part."""
    at = next(
        (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
    )
    around = slice(max(0, at - 40), at + 60)
    return (
        f"{len(ours)} bytes are stored, {whose} has {len(theirs)}; from byte {at} on they differ: "
        f"{ours[around]!r} and {theirs[around]!r}"
    )


def _followed(truth: Truth, submission: Submission, run: Run) -> Iterator[str]:
    """Compare what its owner followed live with what is stored now."""
    if submission.followed is None or submission.result is None:
        return
    for stream in ("stdout", "stderr"):
        seen, stored = b"".join(submission.followed[stream]), truth.daemon.raw(run.id, stream)
        if seen != stored:
            yield f"its follower saw another {stream}: {_differ(seen, stored, 'the log')}"


# The bill


def _bill(truth: Truth, book: Book) -> Iterator[str]:
    """Recompute every bill from the Engine's instants in whole nano-vCPU-seconds, and add them up."""
    client = truth.daemon.client
    runs = [run for submission in book.submissions for run in client.iterate(name=submission.tag)]
    months = {at.strftime("%Y-%m") for run in runs for at in (run.created_at, run.finished_at) if at}
    groups: Counter[str] = Counter()
    total, price = 0, Decimal(0)
    for usage in (client.usage(month, group_by="run") for month in sorted(months)):
        price = Decimal(usage.price_per_vcpu_second_usd)
        groups.update({group.key: _nano(group.cost_usd, price) for group in usage.groups or ()})
        total += round(usage.vcpu_seconds * _NANO)
    for run in runs:
        yield from (f"{run.id}: {said}" for said in _run_bill(truth, run, price, in_month=groups[run.id]))
    due = sum(groups.values())
    if abs(total - due) > 1 + (due >> 50):  # what JSON's numbers can carry
        yield f"the months' totals are {total} nano-vCPU-seconds, the sum of their runs {due}"


def _run_bill(truth: Truth, run: Run, price: Decimal, *, in_month: int) -> Iterator[str]:
    due = _due(truth, run)
    billed = {usage.attempt: usage for usage in run.usage.attempts}
    if billed.keys() != due.keys():
        yield f"billed are attempts {sorted(billed)}, those that ran are {sorted(due)} ({run.message})"
    for number in billed.keys() & due.keys():
        told, nano = billed[number], due[number]
        if _nano(told.cost_usd, price) != nano or told.vcpu_seconds != nano / _NANO:
            yield f"attempt {number} is billed {told}, due are {nano} nano-vCPU-seconds"
    total = sum(due.values())
    for whose, nano in (("own bill", _nano(run.usage.cost_usd, price)), ("line of the month", in_month)):
        if nano != total:
            yield f"its {whose} says {nano} nano-vCPU-seconds, due are {total}"


def _due(truth: Truth, run: Run) -> dict[int, int]:
    spec = run.spec
    limit_us = spec.timeout_seconds * _MICRO + int(spec.stop_grace_seconds * _MICRO)
    bills = {}
    for number in range(1, run.attempt + 1):
        container = _container(truth, run.id, number)
        if container is None or container.started_at is None or container.finished_at is None:
            continue
        if truth.invented(container):
            continue
        ran = container.finished_at - container.started_at
        ran_us = (ran.days * 86_400 + ran.seconds) * _MICRO + ran.microseconds
        bills[number] = max(0, min(ran_us, limit_us)) * spec.resources.requests.cpu_milli
    return bills


def _nano(cost_usd: str, price: Decimal) -> int:
    nano = _EXACT.divide(Decimal(cost_usd).scaleb(9), price)
    return int(nano) if nano == int(nano) else -1


# The host


def _host(truth: Truth) -> Iterator[str]:
    daemon = truth.daemon
    own = {daemon.instance}
    left = leaks.settled(
        lambda: leaks.engine_leftovers(daemon.eye, own) - _volumes(daemon), within_s=_RECONCILED_S
    )
    if left:
        yield f"left on the Engine: {sorted(left)}"
    info = daemon.client.info()
    going = daemon.client.iterate(status=["pending", "running"])
    live = [run for run in going if run.phase is not Phase.QUEUED]
    asked = [run.spec.resources.requests for run in live]
    due = (len(live), sum(r.cpu_milli for r in asked), sum(r.memory_bytes for r in asked))
    told = (info.live, info.in_use.cpu_milli, info.in_use.memory_bytes)
    if told != due:
        yield f"in use are (runs, millicores, bytes) {told}, by the live runs {due}"
    strange = {path.name for path in (daemon.directory / "data").iterdir()} - _FILES
    if strange:
        yield f"in the data directory are {sorted(strange)}"


def _volumes(daemon: Daemon) -> set[str]:
    return {f"volume {volume.docker_name}" for volume in daemon.client.volumes.list()}


def _container(truth: Truth, run_id: str, number: int) -> Container | None:
    """Return the attempt's container: the one that ran, else the last that was made."""
    seen = list(truth.witness.containers.get(container_name(run_id, number), {}).values())
    return next((container for container in seen if container.ran), seen[-1] if seen else None)
