"""Projects as values: what a person may send about them, and what the daemon answers."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from runsd_sdk.python import GitSource
from runsd_sdk.wire import Answer, Body, Instant

_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
MOST_MEMBERS = 1000

ProjectName = Annotated[str, StringConstraints(pattern=_NAME, max_length=63)]
_User = (
    Annotated[str, StringConstraints(min_length=1, max_length=256)]
    | Annotated[int, Field(ge=0, lt=2**32 - 1)]
)
Members = Annotated[list[_User], Field(max_length=MOST_MEMBERS)]
"""Users of the daemon's host, by name or number."""


class ProjectSpec(Body):
    """An owner of runs, volumes, sources and usage.

    ``repository`` is the source of its Python runs that name none.
    """

    name: ProjectName
    members: Members = []
    repository: GitSource | None = None


class ProjectPatch(Body):
    """Who may use a project from now on, or where its Python runs are that name no source (null: nowhere)."""

    members: Members | None = None
    repository: GitSource | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.members is None and "repository" not in self.model_fields_set:
            raise ValueError("nothing to change; give members or repository")
        return self


class Member(Answer):
    """A user of the daemon's host; ``user`` is None where it has no name for the number."""

    uid: int
    user: str | None


class Project(Answer):
    """An owner of runs, volumes, sources and usage. ``created_at`` is None for the one that always exists."""

    name: str
    members: list[Member]
    repository: GitSource | None = None
    created_at: Instant | None


class ProjectList(Answer):
    """The projects that the caller may use, by name."""

    data: list[Project]
