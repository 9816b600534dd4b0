"""``client.volumes``: named volumes that runs share."""

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runsd_sdk import calls
from runsd_sdk.host import Volume

if TYPE_CHECKING:
    from runsd_sdk.sync import SyncDriver


class Volumes:
    """The volumes of the client's project."""

    def __init__(self, driver: "SyncDriver") -> None:
        self._driver = driver

    def create(self, name: str, *, labels: Mapping[str, str] | None = None) -> Volume:
        """Make a volume."""
        return self._driver.ask(calls.create_volume(name, labels=labels))

    def list(self) -> builtins.list[Volume]:
        """Return all volumes, by name."""
        return self._driver.ask(calls.list_volumes()).data

    def get(self, volume: str) -> Volume:
        """Return one volume, by id or name."""
        return self._driver.ask(calls.get_volume(volume))

    def delete(self, volume: str) -> None:
        """Delete a volume and all that is in it; Conflict while live runs use it."""
        self._driver.ask(calls.delete_volume(volume))
