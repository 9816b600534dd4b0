"""``client.keys``: who may use a project over TCP."""

import builtins
from typing import TYPE_CHECKING

from runsd_sdk import calls
from runsd_sdk.key import Key, NewKey

if TYPE_CHECKING:
    from runsd_sdk.sync import SyncDriver


class Keys:
    """The API keys of the client's project: for its admins."""

    def __init__(self, driver: "SyncDriver") -> None:
        self._driver = driver

    def create(self, name: str, *, access: str = "write", expires_in_seconds: int | None = None) -> NewKey:
        """Make a key for ``read``, ``write`` or ``admin``; its ``token`` is told this once."""
        call = calls.create_key(name, access=access, expires_in_seconds=expires_in_seconds)
        return self._driver.ask(call)

    def list(self) -> builtins.list[Key]:
        """Return all keys, without their tokens, the oldest first."""
        return self._driver.ask(calls.list_keys()).data

    def get(self, key_id: str) -> Key:
        """Return one key, without its token."""
        return self._driver.ask(calls.get_key(key_id))

    def delete(self, key_id: str) -> None:
        """Delete a key: it opens nothing from now on."""
        self._driver.ask(calls.delete_key(key_id))
