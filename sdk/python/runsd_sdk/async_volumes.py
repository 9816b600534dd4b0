"""``client.volumes``: ``Volumes`` with await."""

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runsd_sdk import calls
from runsd_sdk.host import Volume

if TYPE_CHECKING:
    from runsd_sdk.aio import AsyncDriver


class AsyncVolumes:
    """The volumes of the client's project."""

    def __init__(self, driver: "AsyncDriver") -> None:
        self._driver = driver

    async def create(self, name: str, *, labels: Mapping[str, str] | None = None) -> Volume:
        """Make a volume."""
        return await self._driver.ask(calls.create_volume(name, labels=labels))

    async def list(self) -> builtins.list[Volume]:
        """Return all volumes, by name."""
        return (await self._driver.ask(calls.list_volumes())).data

    async def get(self, volume: str) -> Volume:
        """Return one volume, by id or name."""
        return await self._driver.ask(calls.get_volume(volume))

    async def delete(self, volume: str) -> None:
        """Delete a volume and all that is in it; Conflict while live runs use it."""
        await self._driver.ask(calls.delete_volume(volume))
