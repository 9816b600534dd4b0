"""``RunHandle``: one run, held by the program that wants something of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack, cast

from runsd_sdk.calls import Stream
from runsd_sdk.errors import returned
from runsd_sdk.fields import SpecFields
from runsd_sdk.run import LogEntry, Run, RunResult, Status

if TYPE_CHECKING:
    from runsd_sdk.client import RunsClient

R = TypeVar("R")


class RunHandle:
    """A submitted run. ``run`` is what was last heard of it; ``refresh`` asks again."""

    def __init__(self, client: "RunsClient", run: Run) -> None:
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

    def wait(self, timeout: float | None = None, *, check: bool = False) -> RunResult:
        """Return the result once the run is over.

        After ``timeout`` seconds WaitTimeout, and the run goes on; DaemonUnreachable if the daemon was silent
        all that time. With ``check``, a run that did not succeed raises RunFailed.
        """
        result = self._client.wait(self.id, timeout, check=check)
        self.run = result
        return result

    def result(self) -> RunResult:
        """Return the result of a run that is over; Conflict if it is not."""
        return self._client.result(self.id)

    def logs(self, *, follow: bool = False, stream: Stream = "all") -> Iterator[LogEntry]:
        """Yield output entry by entry; with ``follow``, until the run is over."""
        return self._client.logs(self.id, follow=follow, stream=stream)

    def cancel(self) -> Run:
        """Ask for the run to be stopped."""
        self.run = self._client.cancel(self.id)
        return self.run

    def rerun(self, **overrides: Unpack[SpecFields]) -> "RunHandle":
        """Submit the same run again, with some fields changed."""
        return self._client.rerun(self.id, **overrides)

    def extend(self, timeout_seconds: int) -> Run:
        """Set the time limit, in seconds from the run's start."""
        self.run = self._client.extend(self.id, timeout_seconds)
        return self.run

    def refresh(self) -> Run:
        """Ask for the run as it is now."""
        self.run = self._client.get(self.id)
        return self.run


class FunctionHandle(RunHandle, Generic[R]):
    """A run of a function, which has a value."""

    def value(self, timeout: float | None = None) -> R:
        """Return what the function returned, once the run is over.

        RemoteException if it raised, another RunFailed if the run came to another end; see ``wait`` for
        ``timeout``.
        """
        return cast("R", returned(self.wait(timeout)))

    def rerun(self, **overrides: Unpack[SpecFields]) -> "FunctionHandle[R]":
        """Submit the same run again, with some fields changed."""
        return FunctionHandle(self._client, super().rerun(**overrides).run)
