"""Who may do what: callers, what routes ask of them, and the one rule between the two. Pure."""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runsd.errors import Forbidden, Unknown

DEFAULT_PROJECT: Final = "default"
"""The project that always exists, and that everybody on the socket may use."""


class Access(StrEnum):
    """What a route asks for, and what a caller has; whoever has one has those before it too."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Access") -> bool:
        """Say whether who has this may do what asks for the other."""
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER: Final = tuple(Access)


@dataclass(frozen=True, slots=True)
class Person:
    """As whom a browser may log in: the bearer of a key, or a user of this host."""

    key: str | None = None
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. ``projects`` None: every one, and the host itself.

    ``home`` is the project that is meant where a request names none. ``lasts_s`` says how long it is open to
    the caller, None for ever. ``called`` is what people call it, where that is known here. ``session`` names
    the browser's session that it asks in, if it does.
    """

    name: str
    access: Access
    projects: frozenset[str] | None = None
    home: str = DEFAULT_PROJECT
    lasts_s: float | None = None
    called: str | None = None
    person: Person = Person()
    session: str | None = None

    @property
    def of_host(self) -> bool:
        """Whether the caller may be told about the host as a whole."""
        return self.projects is None

    def reaches(self, project: str) -> bool:
        """Say whether a project is open to the caller, if it exists."""
        return self.projects is None or project in self.projects


ANYBODY: Final = Caller("anybody", Access.NONE, frozenset())
"""Whoever asks for what asks for nothing."""


def member(uid: int, *, own_uid: int, projects: frozenset[str]) -> Caller:
    """Return who a user of this host is on the socket: root and the daemon's own user may do everything."""
    if uid in (0, own_uid):
        return Caller(user_name(uid), Access.ADMIN, person=Person(uid=uid))
    return Caller(user_name(uid), Access.WRITE, projects | {DEFAULT_PROJECT}, person=Person(uid=uid))


def user_name(uid: int) -> str:
    """Return what a user of this host is called as a caller."""
    return f"uid {uid}"


def key_name(key_id: str) -> str:
    """Return what a key is called as a caller."""
    return f"key {key_id}"


def project_of(caller: Caller, named: str | None, existing: Container[str]) -> str:
    """Return the project that a request is about.

    Raises Unknown in the same words for one that does not exist and one that is closed to the caller.
    """
    project = named or caller.home
    if not caller.reaches(project) or project not in existing:
        raise unknown(project)
    return project


def unknown(project: str) -> Unknown:
    """Return the error for a project that is not there, or not for whoever asks: nobody can tell which."""
    said = f"there is no project {project[:64]!r} that you may use"
    return Unknown(f"{said}; list those that you may with GET /v1/projects")


def require(caller: Caller, access: Access, *, host: bool = False) -> None:
    """Raise Forbidden where a caller may not do what asks for that access, to the host as a whole."""
    if not caller.access.includes(access):
        raise Forbidden(
            f"cannot do this as {caller.name}: it takes {access} access, and yours is {caller.access}"
        )
    if host and not caller.of_host:
        said = "it is about the whole host; ask root or the user who runs runsd"
        raise Forbidden(f"cannot do this as {caller.name}: {said}")
