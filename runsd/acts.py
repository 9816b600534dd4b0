"""What a caller is doing: set by the API around a change, and read where the change is written down.

It goes along with the call, as a context variable does, also into the jobs that the call hands to a database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class Act:
    """Who does what from where. ``object`` is the first of ``count`` things that it is about.

    ``name`` is what the caller's key is called. ``entry`` is the id of its entry in the audit, once that is
    durable; ``aside`` says that the transaction of the moment is not to have it.
    """

    who: str
    address: str
    action: str
    project: str | None
    object: str | None = None
    count: int = 1
    name: str | None = None
    entry: str | None = None
    aside: bool = False


_PRESENT: Final[ContextVar[Act | None]] = ContextVar("act", default=None)


@contextmanager
def doing(act: Act) -> Iterator[None]:
    """Let all that is written here be this act's."""
    token = _PRESENT.set(act)
    try:
        yield
    finally:
        _PRESENT.reset(token)


def present() -> Act | None:
    """Return what the caller is doing; None for what the daemon does on its own."""
    return _PRESENT.get()


def about(project: str, *ids: str) -> None:
    """Say in a transaction of which project what is that it changes."""
    act = _PRESENT.get()
    if act is not None:
        act.project, act.object, act.count = project, ids[0], len(ids)


def by(who: str) -> None:
    """Say in a transaction who it is, where a request alone does not tell."""
    act = _PRESENT.get()
    if act is not None:
        act.who = who


def leave_aside() -> None:
    """Say in a transaction that it is not yet, or no more, what the caller wants: no entry goes with it."""
    act = _PRESENT.get()
    if act is not None:
        act.aside = True
