"""Projects as values: what a person may send about them, and what the daemon answers."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from runsd_sdk import quantity
from runsd_sdk.python import GitSource
from runsd_sdk.spec import Cpu, Memory
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


class ProjectLimits(Body):
    """What a project may have; null and what is not said has no limit.

    At once: live ``runs`` (0 lets none start), the ``cpu`` and ``memory`` that they hold, ``queued`` runs.
    In a calendar month (UTC): ``monthly_vcpu_seconds``, or ``monthly_usd``, a decimal string, of the bill
    after the free tier. Who has used that up starts no more; what runs then runs to its end.
    """

    runs: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    queued: Annotated[int, Field(ge=0, le=100_000_000)] | None = None
    monthly_vcpu_seconds: Annotated[int, Field(ge=0, le=10**12)] | None = None
    monthly_usd: Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,9})?$")] | None = None

    @property
    def cpu_milli(self) -> int | None:
        """Thousandths of a core."""
        return None if self.cpu is None else quantity.cpu_milli(self.cpu)

    @property
    def memory_bytes(self) -> int | None:
        """Bytes."""
        return None if self.memory is None else quantity.memory_bytes(self.memory)


class ProjectSpec(Body):
    """An owner of runs, volumes, sources and usage.

    ``repository`` is the source of its Python runs that name none.
    """

    name: ProjectName
    members: Members = []
    repository: GitSource | None = None
    limits: ProjectLimits = ProjectLimits()


class ProjectPatch(Body):
    """What is different from now on: who may use a project, where its Python runs are, what it may have.

    ``repository`` null: such runs have no source. ``limits`` replaces all that were set.
    """

    members: Members | None = None
    repository: GitSource | None = None
    limits: ProjectLimits | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.members is None and self.limits is None and "repository" not in self.model_fields_set:
            raise ValueError("nothing to change; give members, repository or limits")
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
    limits: ProjectLimits = ProjectLimits()
    created_at: Instant | None


class ProjectList(Answer):
    """The projects that the caller may use, by name."""

    data: list[Project]
