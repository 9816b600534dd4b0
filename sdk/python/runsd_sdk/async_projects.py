"""``client.projects``: ``Projects`` with await."""

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runsd_sdk import calls
from runsd_sdk.project import Project, ProjectLimits
from runsd_sdk.python import GitSource

if TYPE_CHECKING:
    from runsd_sdk.aio import AsyncDriver


class AsyncProjects:
    """The projects of the daemon. To change them is for root and the user who runs it."""

    def __init__(self, driver: "AsyncDriver") -> None:
        self._driver = driver

    async def create(
        self,
        name: str,
        *,
        members: Sequence[str | int] = (),
        repository: GitSource | None = None,
        limits: ProjectLimits | None = None,
    ) -> Project:
        """Make a project, which these users of the daemon's host (names or numbers) may use.

        Its Python runs that name no source are in ``repository``.
        """
        return await self._driver.ask(
            calls.create_project(name, members=members, repository=repository, limits=limits)
        )

    async def list(self) -> builtins.list[Project]:
        """Return the projects that the caller may use, by name."""
        return (await self._driver.ask(calls.list_projects())).data

    async def get(self, name: str) -> Project:
        """Return one project."""
        return await self._driver.ask(calls.get_project(name))

    async def set_members(self, name: str, members: Sequence[str | int]) -> Project:
        """Say which users of the daemon's host, and no others, may use a project on its socket."""
        return await self._driver.ask(calls.set_members(name, members))

    async def set_repository(self, name: str, repository: GitSource | None) -> Project:
        """Say in which repository a project's Python runs are that name no source; None: in none."""
        return await self._driver.ask(calls.set_repository(name, repository))

    async def set_limits(self, name: str, limits: ProjectLimits) -> Project:
        """Say what a project may have, in place of all that was said before; what runs goes on."""
        return await self._driver.ask(calls.set_limits(name, limits))

    async def delete(self, name: str) -> None:
        """Delete a project with all its runs; Conflict while it has live runs or volumes. Its usage stays."""
        await self._driver.ask(calls.delete_project(name))
