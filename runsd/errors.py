"""Every way in which runsd says no. The API maps these to HTTP once, in ``api/problems.py``.

RunsdError
├── Refused          the request can never be right on this host (422)
│   └── TooLarge            it is more than this host takes (413)
├── Unidentified     who asks does not say, or not truly, who it is (401)
│   └── TooOften            and has said so too often (429)
├── Forbidden        who asks may not do that (403)
├── Misdirected      it is addressed to somebody else (421)
├── Unknown          no such thing (404)
├── Conflicting      right, but not in this state (409)
│   └── SecretsLocked       the key of secrets is missing, unfit or another one (409)
├── Full             it would be more than a project may have (429)
├── Unsigned         nobody vouches for what came from outside (401)
├── NotNow           right, but the host cannot take it at the moment (503)
├── SourceFailed     what a run is made of cannot be had (422)
├── DependenciesFailed   a Python run's environment cannot be made: the run's own end, never an answer
└── EngineError      the Docker Engine said no, or nothing
    ├── EngineUnavailable   it cannot be asked: never a fact about a run
    ├── EngineNotFound      it does not know the image, container or volume
    ├── EngineConflict      its object is in another state, or the name is taken
    └── EngineRefused       it understood and will not: the sentence is its own
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

Location = tuple[str | int, ...]

_LEAVING = re.compile(
    r"context (canceled|deadline exceeded)|connection (refused|closed|error|reset)|transport is closing"
    r"|ttrpc: closed|containerd\.sock|code = Unavailable|shutting down|unexpected EOF",
    re.IGNORECASE,
)


class RunsdError(Exception):
    """Base of all errors that runsd raises on purpose. ``code`` is for machines."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code


class Refused(RunsdError):
    """A request that no state of this host can satisfy; ``errors`` names the fields and remedies."""

    code = "invalid"

    def __init__(
        self, message: str, *, errors: Sequence[tuple[Location, str]] = (), code: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.errors = tuple(errors)


class TooLarge(Refused):
    """More than this host takes."""

    code = "too_large"


class Unidentified(RunsdError):
    """Nobody, as far as can be told."""

    code = "unidentified"


class TooOften(Unidentified):
    """Nobody, once more. ``after_s`` says when to try again."""

    code = "too_many_failures"

    def __init__(self, message: str, *, after_s: float = 1.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Misdirected(RunsdError):
    """A request to a name that is not this daemon's."""

    code = "misdirected"


class Forbidden(RunsdError):
    """A request of somebody who may make others."""

    code = "forbidden"


class Unknown(RunsdError):
    """Nothing by that id."""

    code = "not_found"


class Conflicting(RunsdError):
    """A request that the current state forbids."""

    code = "conflict"


class SecretsLocked(Conflicting):
    """Secrets that cannot be encrypted or decrypted: the sentence says what is wrong with their key."""

    code = "secrets_locked"


class Full(RunsdError):
    """More than a project may have at the moment."""

    code = "project_full"


class Unsigned(RunsdError):
    """A delivery for which nobody vouches."""

    code = "unsigned"


class NotNow(RunsdError):
    """A request to repeat later."""

    code = "unavailable"


class SourceFailed(RunsdError):
    """A source that cannot be had: the sentence says why and what to do, and holds no credentials."""

    code = "source_failed"


class DependenciesFailed(RunsdError):
    """What a Python run requires cannot be resolved, fetched or installed; the sentence says why."""

    code = "dependencies_failed"


class EngineError(RunsdError):
    """The Docker Engine's own words, with its HTTP status where it gave one."""

    code = "engine_error"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def own_fault(self) -> bool:
        """Whether the Engine calls it a fault of its own (5xx): no fact about what was asked for."""
        return self.status is not None and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class EngineUnavailable(EngineError):
    """The Engine did not answer, or its answer broke off: nothing is known."""

    code = "engine_unavailable"


class EngineNotFound(EngineError):
    """The Engine does not know that object."""

    code = "engine_not_found"


class EngineConflict(EngineError):
    """The Engine's object is in another state, or its name is taken."""

    code = "engine_conflict"


class EngineRefused(EngineError):
    """The Engine understood the request and answered that it cannot be done."""

    code = "engine_refused"

    @property
    def leaving(self) -> bool:
        """Whether it speaks of the Engine itself, which has lost its containerd or is being shut down."""
        return _LEAVING.search(str(self)) is not None

    def as_trouble(self) -> EngineUnavailable:
        """Return what it means where the Engine is leaving: it cannot be asked."""
        return EngineUnavailable(f"the Docker Engine is in trouble: {self}")
