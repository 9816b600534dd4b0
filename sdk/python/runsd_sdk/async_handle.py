"""``AsyncRunHandle``: ``RunHandle`` with await."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack, cast

from runsd_sdk.calls import Stream
from runsd_sdk.errors import returned
from runsd_sdk.fields import SpecFields
from runsd_sdk.run import LogEntry, Run, RunResult, Status

if TYPE_CHECKING:
    from runsd_sdk.async_client import AsyncRunsClient

R = TypeVar("R")


class AsyncRunHandle:
    """A submitted run. ``run`` is what was last heard of it; ``refresh`` asks again."""

    def __init__(self, client: "AsyncRunsClient", run: Run) -> None:
        self._client = client
        self.run = run

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """The run's id; store it to come back later."""
        return self.run.id

    @property
    def status(self) -> Status:
        """The status last heard of."""
        return self.run.status

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 the same surface as RunHandle
        *,
        check: bool = False,
    ) -> RunResult:
        """Return the result once the run is over.

        After ``timeout`` seconds WaitTimeout, and the run goes on; DaemonUnreachable if the daemon was silent
        all that time. With ``check``, a run that did not succeed raises RunFailed.
        """
        result = await self._client.wait(self.id, timeout, check=check)
        self.run = result
        return result

    async def result(self) -> RunResult:
        """Return the result of a run that is over; Conflict if it is not."""
        return await self._client.result(self.id)

    def logs(self, *, follow: bool = False, stream: Stream = "all") -> AsyncGenerator[LogEntry, None]:
        """Yield output entry by entry; with ``follow``, until the run is over."""
        return self._client.logs(self.id, follow=follow, stream=stream)

    async def cancel(self) -> Run:
        """Ask for the run to be stopped."""
        self.run = await self._client.cancel(self.id)
        return self.run

    async def rerun(self, **overrides: Unpack[SpecFields]) -> "AsyncRunHandle":
        """Submit the same run again, with some fields changed."""
        return await self._client.rerun(self.id, **overrides)

    async def extend(self, timeout_seconds: int) -> Run:
        """Set the time limit, in seconds from the run's start."""
        self.run = await self._client.extend(self.id, timeout_seconds)
        return self.run

    async def refresh(self) -> Run:
        """Ask for the run as it is now."""
        self.run = await self._client.get(self.id)
        return self.run


class AsyncFunctionHandle(AsyncRunHandle, Generic[R]):
    """A run of a function, which has a value."""

    async def value(self, timeout: float | None = None) -> R:  # noqa: ASYNC109
        """Return what the function returned, once the run is over.

        RemoteException if it raised, another RunFailed if the run came to another end; see ``wait`` for
        ``timeout``.
        """
        return cast("R", returned(await self.wait(timeout)))

    async def rerun(self, **overrides: Unpack[SpecFields]) -> "AsyncFunctionHandle[R]":
        """Submit the same run again, with some fields changed."""
        return AsyncFunctionHandle(self._client, (await super().rerun(**overrides)).run)
