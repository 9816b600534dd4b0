"""What a run's end means to the shell: one exit code for each reason."""

from typing import Final

from runsd_sdk.run import Reason, Run

FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
NOT_ALLOWED: Final = 4
UNREACHABLE: Final = 5
TIMED_OUT: Final = 124
NOT_THE_PROGRAM: Final = 125
COMMAND_NOT_FOUND: Final = 127
CANCELLED: Final = 130
KILLED: Final = 137

# None: the run's own exit code.
CODE_OF: Final[dict[Reason, int | None]] = {
    Reason.EXITED: None,
    Reason.OOM_KILLED: None,
    Reason.COMMAND_NOT_FOUND: None,
    Reason.IMAGE_NOT_FOUND: NOT_THE_PROGRAM,
    Reason.IMAGE_PULL_FAILED: NOT_THE_PROGRAM,
    Reason.START_FAILED: NOT_THE_PROGRAM,
    Reason.VOLUME_MISSING: NOT_THE_PROGRAM,
    Reason.SOURCE_FAILED: NOT_THE_PROGRAM,
    Reason.DEPENDENCIES_FAILED: NOT_THE_PROGRAM,
    Reason.QUEUE_EXPIRED: NOT_THE_PROGRAM,
    Reason.LOST: NOT_THE_PROGRAM,
    Reason.CANCELLED: CANCELLED,
    Reason.DEADLINE_EXCEEDED: TIMED_OUT,
}
# The code when a run has none of its own, or one (0) that would call it a success.
_WITHOUT: Final = {Reason.OOM_KILLED: KILLED, Reason.COMMAND_NOT_FOUND: COMMAND_NOT_FOUND}


def exit_code(run: Run) -> int:
    """Return the code with which a command that stands for this ended run exits."""
    if run.reason is None:
        raise ValueError(f"{run.id} is not over")
    code = CODE_OF[run.reason]
    if code is not None:
        return code
    if run.reason is Reason.EXITED and run.exit_code is not None:
        return run.exit_code
    return run.exit_code or _WITHOUT.get(run.reason, NOT_THE_PROGRAM)
