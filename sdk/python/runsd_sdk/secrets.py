"""``client.secrets``: values that runs get and nobody sees again."""

import builtins
from typing import TYPE_CHECKING

from runsd_sdk import calls
from runsd_sdk.host import Secret

if TYPE_CHECKING:
    from runsd_sdk.sync import SyncDriver


class Secrets:
    """The secrets of the client's project."""

    def __init__(self, driver: "SyncDriver") -> None:
        self._driver = driver

    def set(self, name: str, value: str) -> Secret:
        """Make a secret, or give it another value for runs that are submitted from now on."""
        return self._driver.ask(calls.set_secret(name, value))

    def list(self) -> builtins.list[Secret]:
        """Return all secrets by name, without their values."""
        return self._driver.ask(calls.list_secrets()).data

    def delete(self, name: str) -> None:
        """Delete a secret; runs that were submitted with it keep what they were given."""
        self._driver.ask(calls.delete_secret(name))
