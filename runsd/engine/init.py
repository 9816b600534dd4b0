"""What the Engine's init process says when there is nothing to run.

With ``Init: true`` a start succeeds whatever the command is: process 1 is the Engine's docker-init (tini, or
catatonit on some distributions), and it is the one that fails to execute the command, says so on stderr and
exits with 126 or 127. So neither ``start`` nor the inspection tells that the program never ran; this does.
"""

import re

_FAILED = (
    re.compile(rb"^\[FATAL tini \(\d+\)\] exec (?P<command>.+) failed: (?P<cause>.+)$", re.MULTILINE),
    re.compile(rb"^ERROR \(catatonit:\d+\): failed to exec (?P<command>.+): (?P<cause>.+)$", re.MULTILINE),
)
_EXIT_CODES = (126, 127)


def exec_failure(exit_code: int, stderr: bytes) -> str | None:
    """Return why the command could not be executed, as a sentence, or None when it was.

    ``stderr`` is the beginning of the run's error output; a kilobyte is plenty, for nothing else is written.
    """
    if exit_code not in _EXIT_CODES:
        return None
    for pattern in _FAILED:
        if found := pattern.search(stderr[:4096]):
            command, cause = (found[key].decode(errors="replace") for key in ("command", "cause"))
            return f"cannot execute {command}: {cause[0].lower()}{cause[1:]}"
    return None
