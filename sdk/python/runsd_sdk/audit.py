"""The audit as values: who changed what, when, and from where."""

from enum import StrEnum

from runsd_sdk.wire import Answer, Instant


class AuditResult(StrEnum):
    """What came of it: ``failed`` when an error was answered although something was changed."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


class AuditEntry(Answer):
    """One change. ``who`` is ``uid N`` or ``key ID``, and ``name`` what the host or the project calls it.

    ``address`` is an IP or ``unix``, or ``host`` for what was done beside the daemon. ``object``
    is the first of the ``count`` things that it is about; of what was refused there were ``count`` attempts.
    """

    id: str
    time: Instant
    who: str
    name: str | None
    address: str
    action: str
    project: str | None
    object: str | None
    count: int
    result: AuditResult


class AuditList(Answer):
    """A page of entries, newest first; with a cursor it may be short although more follow."""

    data: list[AuditEntry]
    next_cursor: str | None
