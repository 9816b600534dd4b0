"""Everything that the SDK raises on purpose.

RunsdError
├── DaemonUnreachable    nobody answered, or the answer broke off: says nothing about a run
├── WaitTimeout          the caller's own patience ran out; the run goes on
├── InvalidSpec          refused before it was sent (also a ValueError)
├── InvalidFolder        a directory that cannot be packed (also a ValueError)
├── InvalidSignature     a message that no webhook with this secret has just sent (also a ValueError)
├── InvalidAddress       RUNSD_HOST or ``host`` cannot be understood (also a ValueError)
├── InvalidFunction      a function that no run could find, or call (also a ValueError)
├── InvalidArguments     arguments that do not fit a function, or are not JSON (also a TypeError)
├── APIStatusError       the daemon said no, with a Problem
│   ├── BadRequest       400, 415
│   │   └── TooLarge     413
│   ├── Unauthorized     401
│   ├── Forbidden        403
│   ├── NotFound         404
│   ├── Conflict         409
│   ├── Unprocessable    422, with the fields and remedies
│   ├── RateLimited      429
│   └── ServerError      5xx
└── RunFailed            ``check=True`` and the run did not succeed; carries ``result``
    ├── RunTimedOut
    ├── RunCancelled
    ├── RunOutOfMemory
    └── RemoteException  the function that ran has raised; carries its exception's type, message and trace
"""

import copyreg
from collections.abc import Sequence
from http.client import responses
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from runsd_sdk.host import FieldError, Problem
from runsd_sdk.run import Reason, Run, RunProblem, RunResult, Status


class RunsdError(Exception):
    """Base of all errors of the SDK."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By what it is, and not by what __init__ takes, which is mostly no message: pools of processes hand
        # errors on, and one that cannot be unpickled breaks the whole pool.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class DaemonUnreachable(RunsdError):
    """No whole answer came. ``sent`` tells whether the request may have arrived; ``silent``, that nothing
    was heard while the connection stood."""

    def __init__(self, message: str, *, sent: bool = False, silent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.silent = silent


class WaitTimeout(RunsdError):
    """There was no result when the caller's time was over; ``run`` is how the run was last seen."""

    def __init__(self, run: Run, timeout: float) -> None:
        message = f"{run.id} is still {run.status} after {timeout:g} s of waiting; it goes on"
        if run.status.terminal:
            message = f"{run.id} {run.status}, but its result did not come in {timeout:g} s; wait again"
        super().__init__(message)
        self.run = run


class InvalidAddress(RunsdError, ValueError):
    """An address that names neither a Unix socket nor an HTTP server."""


class InvalidSignature(RunsdError, ValueError):
    """A message that no webhook with this secret has sent in the last minutes; do not act on it."""


class InvalidFolder(RunsdError, ValueError):
    """A directory that cannot be packed, and what to do."""


class InvalidFunction(RunsdError, ValueError):
    """A function that cannot be carried out as a run, and what to do."""


class InvalidArguments(RunsdError, TypeError):
    """Arguments that a function does not take, or that JSON cannot carry to it."""


class InvalidSpec(RunsdError, ValueError):
    """Fields that the daemon would refuse; ``errors`` names each with its remedy."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("cannot accept " + "; ".join(describe(error) for error in errors))
        self.errors = list(errors)

    @classmethod
    def of(cls, error: ValidationError) -> "InvalidSpec":
        """Translate pydantic's findings; the branches of a union are one field."""
        errors = [_field_error(found) for found in error.errors(include_url=False)]
        return cls(list({tuple(each.loc): each for each in reversed(errors)}.values())[::-1])


class APIStatusError(RunsdError):
    """An answer other than success; ``problem`` is the daemon's own account."""

    def __init__(self, problem: Problem) -> None:
        more = [error for error in problem.errors if error.msg not in problem.detail]
        fields = "".join(f"; {describe(error)}" for error in more)
        super().__init__(f"{problem.detail}{fields}")
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str:
        """The machine's word for what is wrong."""
        return self.problem.code


class BadRequest(APIStatusError):
    """The request cannot be read."""


class TooLarge(BadRequest):
    """The body is larger than the daemon takes."""


class Unauthorized(APIStatusError):
    """No key, or one that the daemon does not know."""


class Forbidden(APIStatusError):
    """The key does not allow this."""


class NotFound(APIStatusError):
    """Nothing by that id."""


class Conflict(APIStatusError):
    """Right, but not in the present state."""


class Unprocessable(APIStatusError):
    """Fields that can never be right on this host; the message lists them."""


class RateLimited(APIStatusError):
    """Too many requests; try again later."""


class ServerError(APIStatusError):
    """The daemon cannot serve this now, or has a fault."""


class RunFailed(RunsdError):
    """A run that ended without success; ``result`` has its exit code and output."""

    def __init__(self, result: RunResult) -> None:
        super().__init__(f"{result.id} {result.status}: {result.message or result.reason}")
        self.result = result


class RunTimedOut(RunFailed):
    """The run met its deadline."""


class RunCancelled(RunFailed):
    """Somebody cancelled the run."""


class RunOutOfMemory(RunFailed):
    """The run needed more memory than it had asked for."""


class RemoteException(RunFailed):
    """The function that ran has raised: ``type``, ``message`` and ``stacktrace`` are its exception's.

    A traceback that is printed here shows the remote one as well.
    """

    def __init__(self, result: RunResult, problem: RunProblem) -> None:
        super().__init__(result)
        self.args = (f"{result.id} raised {problem.type}: {problem.message}",)
        self.problem = problem
        self.type = problem.type
        self.message = problem.message
        self.stacktrace = problem.stacktrace
        if problem.stacktrace:
            self.add_note(f"\nIn {result.id}:\n\n{problem.stacktrace.rstrip()}\n")


STATUS_ERRORS: dict[int, type[APIStatusError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: BadRequest,
    409: Conflict,
    413: TooLarge,
    415: BadRequest,
    422: Unprocessable,
    429: RateLimited,
}


def status_error(status: int, body: bytes) -> APIStatusError:
    """Return the error for an answer of that status, with the daemon's problem if it sent one."""
    kind = STATUS_ERRORS.get(status, ServerError if status >= 500 else APIStatusError)
    return kind(_problem(status, body))


def checked(result: RunResult) -> RunResult:
    """Return a result that succeeded; raise the RunFailed that names what another came to."""
    if result.status is Status.SUCCEEDED:
        return result
    if result.reason is Reason.OOM_KILLED:
        raise RunOutOfMemory(result)
    raise _OUTCOME_ERRORS.get(result.status, RunFailed)(result)


def returned(result: RunResult) -> JsonValue:
    """Return what the function of a run returned; raise RemoteException, or another RunFailed."""
    if result.reason is Reason.EXITED and result.exit_code == _UNCAUGHT:
        raised = [each for each in result.problems if each.origin == "uncaught" and _ended_all(each)]
        if raised:
            raise RemoteException(result, max(raised, key=_last_seen))
    return checked(result).return_value


def describe(error: FieldError) -> str:
    """Write a refused field for a person: ``resources.requests.cpu: remedy``."""
    where = ".".join(str(part) for part in error.loc)
    return f"{where}: {error.msg}" if where else error.msg


_UNCAUGHT = 1  # how Python exits after an exception that nobody caught
_UNION_BRANCHES = frozenset({"str", "int", "float"})  # pydantic ends a location with the branch it tried
_FREE_KEYS = frozenset({"env", "labels"})
_OUTCOME_ERRORS: dict[Status, type[RunFailed]] = {
    Status.TIMEOUT: RunTimedOut,
    Status.CANCELLED: RunCancelled,
}


def _ended_all(problem: RunProblem) -> bool:
    """Say whether an exception was the main thread's: the trace of another, or of a child, begins so."""
    return "in _bootstrap" not in problem.stacktrace


def _last_seen(problem: RunProblem) -> float:
    return problem.last_seen.timestamp() if problem.last_seen else 0.0


def _problem(status: int, body: bytes) -> Problem:
    try:
        return Problem.model_validate_json(body)
    except ValidationError:  # a proxy's own page, or no body at all
        title = responses.get(status, f"HTTP {status}")
        text = body[:200].decode(errors="replace").strip()
        return Problem(title=title, status=status, detail=text or title, code="http")


def _field_error(found: ErrorDetails) -> FieldError:
    loc = list(found["loc"])
    if len(loc) > 1 and loc[-1] in _UNION_BRANCHES and loc[-2] not in _FREE_KEYS:
        loc.pop()
    return FieldError(loc=loc, msg=found["msg"].removeprefix("Value error, "))
