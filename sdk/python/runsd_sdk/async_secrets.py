"""``client.secrets``: ``Secrets`` with await."""

import builtins
from typing import TYPE_CHECKING

from runsd_sdk import calls
from runsd_sdk.host import Secret

if TYPE_CHECKING:
    from runsd_sdk.aio import AsyncDriver


class AsyncSecrets:
    """The secrets of the client's project."""

    def __init__(self, driver: "AsyncDriver") -> None:
        self._driver = driver

    async def set(self, name: str, value: str) -> Secret:
        """Make a secret, or give it another value for runs that are submitted from now on."""
        return await self._driver.ask(calls.set_secret(name, value))

    async def list(self) -> builtins.list[Secret]:
        """Return all secrets by name, without their values."""
        return (await self._driver.ask(calls.list_secrets())).data

    async def delete(self, name: str) -> None:
        """Delete a secret; runs that were submitted with it keep what they were given."""
        await self._driver.ask(calls.delete_secret(name))
