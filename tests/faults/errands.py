"""Errands: for every step of the daemon one thing that its owners may ask, on whose way it is taken."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from random import Random
from typing import Any

from docker.errors import ImageNotFound
from runsd_sdk import Conflict, NotFound, RunHandle, RunsClient
from runsd_sdk.run import Reason

from runsd.faults import Step
from tests.daemon.harness import Daemon
from tests.engine.registry import Registry
from tests.faults import programs
from tests.faults.drip import dripping
from tests.faults.programs import Program
from tests.faults.workload import ENDED_S, PATIENCE_S, Book, Submission

# A run that waits behind one that holds everything, for longer than it may.
_HELD_S, _TTL_S = 3, 1
SILENT = {"stdout": 0, "stderr": 0}


class Owner:
    """Asks a daemon that dies now and then for all kinds of things, and keeps book of the runs."""

    def __init__(self, daemon: Daemon, registry: Registry | None) -> None:
        self.book = Book()
        self.daemon = daemon
        self.registry = registry
        self.client = RunsClient(f"unix://{daemon.socket}", patience_seconds=PATIENCE_S)
        self.volume = self.client.volumes.create("counts").id
        self._random = Random("errands")
        self._hands = ThreadPoolExecutor(8, thread_name_prefix="owner")
        self._busy: list[Future[None]] = []

    def close(self) -> None:
        """Let go of everything but the runs."""
        self._hands.shutdown()
        self.client.volumes.delete(self.volume)
        self.client.close()

    def begin(self, errand: "Errand") -> None:
        """Set out on an errand, in a thread of its own."""
        self._busy.append(self._hands.submit(errand, self))

    def finish(self) -> None:
        """Return when all errands are done."""
        for errand in self._busy:
            errand.result(ENDED_S)

    def submit(self, maker: "programs.Maker", **more: Any) -> tuple[Submission, RunHandle]:
        """Submit a program's run, and write it down."""
        program = maker(self._random, self.volume)
        submission = Submission(f"e{len(self.book.submissions)}", program)
        self.book.submissions.append(submission)
        spec = self.daemon.spec(**{**program.spec(submission.tag), **more})
        handle = self.client.create(idempotency_key=submission.tag, **spec)
        submission.id = handle.id
        return submission, handle

    def run(self, maker: "programs.Maker", **more: Any) -> None:
        """Have a program's run carried out."""
        submission, handle = self.submit(maker, **more)
        submission.result = handle.wait(ENDED_S)


Errand = Callable[[Owner], None]


def nothing(owner: Owner) -> None:
    """Ask for nothing: the step is taken by every daemon that starts."""


def a_run(owner: Owner) -> None:
    """Have a run carried out that prints on."""
    owner.run(programs.slow)


def a_cancel(owner: Owner) -> None:
    """Cancel a run."""
    submission, handle = owner.submit(programs.cancelled)
    submission.cancel_asked = True
    handle.cancel()
    submission.result = handle.wait(ENDED_S)


def a_change(owner: Owner) -> None:
    """Give a run more time."""
    submission, handle = owner.submit(programs.slow)
    with suppress(Conflict):  # its daemons may take so long to come back that the run is over
        handle.extend(600)
    submission.result = handle.wait(ENDED_S)


def an_expiry(owner: Owner) -> None:
    """Let a run wait in the queue for longer than it may."""
    everything = {"resources": {"requests": {"cpu": "100m", "memory": "2Gi"}}}
    holding, held = owner.submit(holding_on, **everything)
    waiting, late = owner.submit(late_for_all, queue_ttl_seconds=_TTL_S, **everything)
    holding.result, waiting.result = held.wait(ENDED_S), late.wait(ENDED_S)


def a_retry(owner: Owner) -> None:
    """Have a run carried out that fails a few times."""
    owner.run(programs.failing)


def a_deadline(owner: Owner) -> None:
    """Let a run come to its deadline."""
    owner.run(programs.deadline)


def a_pull(owner: Owner) -> None:
    """Have a run carried out whose image comes slowly from a registry."""
    assert owner.registry is not None
    name = f"drip-{time.monotonic_ns()}:1"
    content = owner._random.randbytes(4 * 1024**2)
    owner.registry.push(owner.daemon.eye, name, base=owner.daemon.image, content=content)
    with dripping(owner.registry.address) as address:
        reference = f"{address}/{name}"
        try:
            owner.run(programs.quick, image=reference)
        finally:
            with suppress(ImageNotFound):
                owner.daemon.eye.remove_image(reference, force=True)


def a_deletion(owner: Owner) -> None:
    """Have a run carried out, and forget it."""
    handle = owner.client.create(**owner.daemon.spec("echo", "forget me"))
    handle.wait(ENDED_S)
    with suppress(NotFound):  # its first answer may have been lost
        owner.client.delete(handle.id)


def a_task(owner: Owner) -> None:
    """Save a run under a name, edit that, and forget it."""
    name = f"task-{time.monotonic_ns()}"
    owner.client.tasks.create(name, **owner.daemon.spec("true"))
    owner.client.tasks.edit(name, priority=1)
    assert [each.version for each in owner.client.tasks.versions(name)] == [2, 1]
    with suppress(NotFound):  # its first answer may have been lost
        owner.client.tasks.delete(name)


def holding_on(random: Random, volume: str | None = None) -> Program:
    """Hold what was given for a while."""
    return programs.Program("holding", f"sleep {_HELD_S}", 0, SILENT)


def late_for_all(random: Random, volume: str | None = None) -> Program:
    """Never begin."""
    return programs.Program("late", "exit 1", 0, SILENT, reasons=(Reason.QUEUE_EXPIRED,))


ERRANDS: dict[Step, Errand] = {
    Step.INSTANCE: nothing,
    Step.SUBMIT: a_run,
    Step.CANCEL: a_cancel,
    Step.CHANGE: a_change,
    Step.EXPIRE: an_expiry,
    Step.TASK: a_task,
    Step.ADMIT: a_run,
    Step.PULLING: a_pull,
    Step.PULL_PROGRESS: a_pull,
    Step.PULL: a_pull,
    Step.READY: a_run,
    Step.CREATE: a_run,
    Step.CREATED: a_run,
    Step.ATTACH: a_run,
    Step.START: a_run,
    Step.STARTED: a_run,
    Step.LOG_CHUNKS: a_run,
    Step.SAMPLES: a_run,
    Step.STOP: a_deadline,
    Step.KILL: a_deadline,
    Step.EXIT: a_run,
    Step.OUTPUT: a_run,
    Step.FINISH: a_run,
    Step.RETRY: a_retry,
    Step.REMOVE: a_run,
    Step.CREATE_SANDBOX: a_run,
    Step.START_SANDBOX: a_run,
    Step.REMOVE_SANDBOX: nothing,  # the last death has left one
    Step.MARK_LOGS: a_deletion,
    Step.FORGET_LOGS: a_deletion,
    Step.FORGET: a_deletion,
    Step.FORGET_KEYS: nothing,
    Step.FORGET_EVENTS: nothing,
    Step.FORGET_AUDIT: nothing,
    Step.CLOCK: nothing,
}

ELSEWHERE: dict[Step, str] = {
    Step.COPY_DATABASE: "tests/store/test_migrations.py",
    Step.MIGRATE: "tests/store/test_migrations.py",
    Step.IMPORT_SANDBOX: "tests/daemon/test_sandboxes.py",
    Step.UNMADE: "tests/daemon/test_sandboxes.py",
    Step.FETCH_SOURCE: "tests/sources/test_mirrors.py",
    Step.STORE_UPLOAD: "tests/sources/test_uploads.py",
    Step.REMOVE_IMAGE: "tests/environments/test_killed.py",
    Step.SCHEDULED: "tests/daemon/test_schedules.py",
    Step.DELIVERY: "tests/daemon/test_hooks.py",
    Step.TELEMETRY: "tests/daemon/test_telemetry.py",
    Step.AUDIT: "tests/api/test_audit.py",
    **dict.fromkeys(
        [
            Step.ADD_KEY, Step.SET_SECRET, Step.DELETE_SECRET, Step.RESEAL_SECRETS, Step.DROP_KEYS,
            Step.LAY_OUT_SECRETS, Step.CLEAR_SECRETS,
        ],
        "tests/daemon/test_secret_crashes.py",
    ),
    **dict.fromkeys(
        [Step.PREPARING, Step.COMMIT_SETTLED, Step.LOCK_SETTLED, Step.PUT_FILES, Step.COMMIT_IMAGE],
        "tests/daemon/test_program_crashes.py",
    ),
    Step.CREATE_NETWORK: "tests/daemon/test_isolation.py",
    Step.REMOVE_NETWORK: "tests/daemon/test_isolation.py",
    **dict.fromkeys(
        [
            Step.ADD_VOLUME, Step.CREATE_VOLUME, Step.KEEP_VOLUME, Step.DISCARD_VOLUME, Step.REMOVE_VOLUME,
            Step.FORGET_VOLUME,
        ],
        "tests/daemon/test_volume_crashes.py",
    ),
    **dict.fromkeys(
        [
            Step.CHANGE_WEBHOOK, Step.ASK_DELIVERY, Step.SEND_WEBHOOK, Step.NOTE_DELIVERY,
            Step.FORGET_DELIVERIES,
        ],
        "tests/daemon/test_webhooks.py",
    ),
}  # fmt: skip
"""Steps around which another file kills."""


_BEFORE: dict[Step, str] = {
    Step.CLOCK: "delete from meta where key = 'clock'",
    Step.FORGET_KEYS: "insert or replace into idempotency_keys values ('default', 'old', 'x', '[]', 1)",
    Step.FORGET_AUDIT: (
        "insert or replace into audit"
        " values ('aud_0', 1, 'uid 0', null, 'unix', 'run.create', 'x', 'x', 1, 'done')"
    ),
    Step.FORGET_EVENTS: "update events set at_us = 1 where type = 'run.submitted'",
}


def prepare(daemon: Daemon, step: Step) -> None:
    """Bring the state of a dead daemon so far that the next one has something to do in this step."""
    with closing(sqlite3.connect(daemon.directory / "data" / "runsd.db")) as db, db:
        db.execute(_BEFORE.get(step, "select 1"))


@contextmanager
def owning(daemon: Daemon, registry: Registry | None) -> Iterator[Owner]:
    """Lend an owner."""
    owner = Owner(daemon, registry)
    try:
        yield owner
    finally:
        owner.close()
