"""The life of a run as values: which phase follows which, and what an exit means. No I/O, no clock."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runsd_sdk.run import Phase, Reason, Status


class Input(StrEnum):
    """What can happen to a run."""

    ADMIT = "admit"  # there is room: an attempt is made
    PULL = "pull"  # its image is being fetched
    PREPARE = "prepare"  # its source and environment are being made ready
    READY = "ready"  # its image is there
    STARTED = "started"  # the Engine says that the container runs
    STOP = "stop"  # a cancel or the deadline asks it to end
    FINISH = "finish"  # the attempt has an outcome, and it is the run's
    RETRY = "retry"  # the attempt has an outcome, and another follows
    EXPIRE = "expire"  # it waited in the queue for too long


# What a crash of the daemon leaves behind in each phase, and how the next daemon goes on:
#   queued     a row; it is admitted as if nothing had been
#   pulling    a row; the pull is asked for again, the Engine keeps the layers it has
#   preparing  a row; as pulling
#   starting   a row, perhaps a created or even running container of a known name; it is adopted
#   running    a container; its log is read on from the last stored byte
#   stopping   a container that was or was not signalled; it is signalled again
#   finished   perhaps a dead container; the reconciler removes it
_LIVE: Final = {Input.STOP: Phase.STOPPING, Input.FINISH: Phase.FINISHED, Input.RETRY: Phase.QUEUED}
NEXT: Final[dict[Phase, dict[Input, Phase]]] = {
    Phase.QUEUED: {
        Input.ADMIT: Phase.STARTING,
        Input.STOP: Phase.FINISHED,
        Input.EXPIRE: Phase.FINISHED,
    },
    Phase.PULLING: {**_LIVE, Input.PREPARE: Phase.PREPARING, Input.READY: Phase.STARTING},
    Phase.PREPARING: {**_LIVE, Input.READY: Phase.STARTING},
    Phase.STARTING: {
        **_LIVE,
        Input.PULL: Phase.PULLING,
        Input.PREPARE: Phase.PREPARING,
        Input.READY: Phase.STARTING,
        Input.STARTED: Phase.RUNNING,
    },
    Phase.RUNNING: _LIVE,
    Phase.STOPPING: {
        Input.STARTED: Phase.STOPPING,
        Input.FINISH: Phase.FINISHED,
        Input.RETRY: Phase.QUEUED,
    },
    Phase.FINISHED: {},
}
"""The state machine. An input that a phase does not list is refused and changes nothing."""

STATUS_OF: Final[dict[Reason, Status]] = {
    Reason.EXITED: Status.FAILED,
    Reason.OOM_KILLED: Status.FAILED,
    Reason.IMAGE_NOT_FOUND: Status.FAILED,
    Reason.IMAGE_PULL_FAILED: Status.FAILED,
    Reason.COMMAND_NOT_FOUND: Status.FAILED,
    Reason.START_FAILED: Status.FAILED,
    Reason.VOLUME_MISSING: Status.FAILED,
    Reason.SOURCE_FAILED: Status.FAILED,
    Reason.DEPENDENCIES_FAILED: Status.FAILED,
    Reason.QUEUE_EXPIRED: Status.FAILED,
    Reason.LOST: Status.FAILED,
    Reason.CANCELLED: Status.CANCELLED,
    Reason.DEADLINE_EXCEEDED: Status.TIMEOUT,
}
"""The status of each reason; ``exited`` with code 0 is the one success."""

_SIGNALS: Final = {1: "SIGHUP", 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


@dataclass(frozen=True, slots=True)
class Exit:
    """What the Engine and the cgroup say of a container that has ended."""

    code: int
    oom_killed: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """That we asked a container to end, why, and whether a signal really reached it."""

    reason: Reason
    signalled: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: a machine's reason and a person's sentence."""

    reason: Reason
    message: str
    exit_code: int | None = None
    oom_killed: bool = False

    @property
    def status(self) -> Status:
        """The status that this outcome gives a run."""
        if self.reason is Reason.EXITED and self.exit_code == 0:
            return Status.SUCCEEDED
        return STATUS_OF[self.reason]


def outcome(exit: Exit, stop: Stop | None) -> Outcome:
    """Judge an ended container: a stop that reached it comes first, then memory, then its own exit."""
    if stop is not None and stop.signalled:
        said = "cancelled" if stop.reason is Reason.CANCELLED else "stopped at its deadline"
        return Outcome(stop.reason, f"{said}; it ended with code {exit.code}", exit.code, exit.oom_killed)
    if exit.oom_killed and exit.code != 0:
        said = f"killed for exceeding its memory (exit code {exit.code}); ask for more in resources.requests"
        return Outcome(Reason.OOM_KILLED, said, exit.code, exit.oom_killed)
    return Outcome(Reason.EXITED, _exited(exit), exit.code, exit.oom_killed)


def phase_status(phase: Phase, *, started: bool) -> Status:
    """Return the status of a run that has not finished."""
    return Status.RUNNING if started and phase in (Phase.RUNNING, Phase.STOPPING) else Status.PENDING


def _exited(exit: Exit) -> str:
    said = f"exited with code {exit.code}"
    if exit.code > 128 and exit.code - 128 in _SIGNALS:
        said += f" ({_SIGNALS[exit.code - 128]})"
    return said + ("; a child process was killed for memory" if exit.oom_killed else "")
