"""A seeded load of runs by the SDK, which insists while the daemon is away, and its own book of them."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

from runsd_sdk import RunHandle, RunResult, RunsClient
from runsd_sdk.host import Volume

from tests.daemon.harness import Daemon
from tests.faults.programs import Program, some

# A round has up to ten outages of half a minute, with a daemon in between that may live for a second only.
PATIENCE_S = 600.0
ENDED_S = 660.0
HANDS = 14


@dataclass(slots=True)
class Submission:
    """One run as its owner knows it. ``id`` is None while no answer to the submission has come."""

    tag: str
    program: Program
    id: str | None = None
    cancel_asked: bool = False
    followed: dict[str, list[bytes]] | None = None
    result: RunResult | None = None
    trouble: str | None = None


@dataclass(slots=True)
class Book:
    """All submissions of a workload."""

    submissions: list[Submission] = field(default_factory=list)


class Workload:
    """``size`` runs of all kinds, some cancelled, some followed; ``finish`` waits for all of them.

    The same seed makes the same programs and intentions; how they interleave is up to the machine.
    """

    def __init__(self, daemon: Daemon, *, seed: int, size: int) -> None:
        self.book = Book()
        self._daemon = daemon
        self._random = Random(f"workload {seed}")
        self._tag = f"w{seed}"
        self._size = size
        self._hands = ThreadPoolExecutor(HANDS, thread_name_prefix="owner")
        self._over = threading.Event()
        self._jobs: list[Future[None]] = []
        self._volume: Volume | None = None

    def __enter__(self) -> Self:
        self._client = RunsClient(f"unix://{self._daemon.socket}", patience_seconds=PATIENCE_S)
        self._volume = self._client.volumes.create(self._tag)
        for number, program in enumerate(some(self._random, self._size, volume=self._volume.id)):
            submission = Submission(f"{self._tag}-{number}", program)
            self.book.submissions.append(submission)
            # Drawn here, in one thread and one order, whatever the hands do.
            follow, delay_s = self._random.random() < 0.4, self._random.uniform(0, 2)
            self._jobs.append(self._hands.submit(self._own, submission, follow=follow, delay_s=delay_s))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if error is not None:
            self._client.close()  # whoever still waits fails at once
        self._hands.shutdown(cancel_futures=error is not None)
        if error is None and self._volume is not None:
            self._client.volumes.delete(self._volume.id)
        self._client.close()

    @property
    def busy(self) -> bool:
        """Whether some of its runs are not over."""
        return not all(job.done() for job in self._jobs)

    def pause(self, seconds: float) -> None:
        """Let it go on for a while, or until all its runs are over."""
        until = self._over.wait
        step = 0.05
        while seconds > 0 and self.busy and not until(min(step, seconds)):
            seconds -= step

    def finish(self) -> Book:
        """Wait until every owner has the result of its run, and return the book."""
        for job in self._jobs:
            job.result(ENDED_S)
        return self.book

    def _own(self, submission: Submission, *, follow: bool, delay_s: float) -> None:
        """Be the owner of one run from its submission to its result."""
        try:
            spec = self._daemon.spec(**submission.program.spec(submission.tag))
            handle = self._client.create(idempotency_key=submission.tag, **spec)
            submission.id = handle.id
            if submission.program.cancelled:
                self._over.wait(delay_s)
                submission.cancel_asked = True
                handle.cancel()
            elif follow:
                submission.followed = {"stdout": [], "stderr": [], "system": []}
                for entry in handle.logs(follow=True):
                    submission.followed[entry.stream].append(entry.data)
            submission.result = _result(handle)
        except Exception as failure:
            submission.trouble = f"{type(failure).__name__}: {failure}"


def _result(handle: RunHandle) -> RunResult:
    return handle.wait(ENDED_S)
