"""The start of a container: a few at once, given up by whoever is asked to stop, believed when seen."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from runsd_sdk.run import Reason

from runsd.clock import since_boot_us
from runsd.engine.port import ContainerFacts, ContainerState
from runsd.errors import EngineConflict, EngineNotFound, EngineRefused
from runsd.run import Outcome
from runsd.supervise.asking import Asking
from runsd.supervise.patience import patiently
from runsd.supervise.tools import Gone, NotStarted, Tools

# How long the Engine may take to answer a start before its work is looked for without its answer.
_LOOK_S = 10.0
# By convention of shells and of docker: the command was found but is not executable, or was not found.
NO_COMMAND: Final = (126, 127)
# An Engine that was killed while it started a container says one of these to every further start of it.
# Mostly the program had not begun, but in the end of that time it had, and no answer tells which it was.
_HALF_STARTED = re.compile(
    r"\btask \S+: already exists|\bid already in use|failed to start shim: mkdir \S+: file exists"
)
_UNKNOWN = (
    "the Docker Engine was killed while it started the container, and cannot say whether the program ran;"
    " run it again, or let retries do so (on: lost)"
)


class NoSandbox(Exception):
    """The sandbox that a container joins is gone, or can't be started: both are made anew."""


class Start:
    """The start of one attempt. ``seen_us`` is when it was seen, in microseconds after the host's boot.

    From one that is not ``ordinary``, for it had to wait for a sandbox, no pace is learned.
    """

    def __init__(self, name: str, tools: Tools, asking: Asking) -> None:
        self.seen_us: int | None = None
        self.ordinary = True
        self._name = name
        self._tools = tools
        self._asking = asking

    @asynccontextmanager
    async def turn(self, kind: str) -> AsyncIterator[None]:
        """Wait for a turn among the starts, and have it; whoever is asked to stop meanwhile needs none."""
        with self._tools.pace.in_line() as turn:
            await self._asking.done_unless_stopped(turn.here, "before it was started")
            yield
            if self.seen_us is not None and self.ordinary:
                turn.started(kind)  # starts of one kind take about as long as each other

    async def of(self, container: ContainerFacts) -> None:
        """Start a container. Raises NotStarted when that cannot be or was cancelled, Gone when it is gone."""
        await self._asking.check_stop("before it was started")
        try:
            await self._until_started(container)
        except (EngineRefused, EngineConflict, EngineNotFound) as failure:
            facts = await self._tools.engine.inspect(container.id)
            if facts is None:
                raise Gone from failure
            if half_started(str(failure)):
                raise NotStarted(Outcome(Reason.LOST, _UNKNOWN)) from failure
            if not await self._revived(facts.joined):
                raise start_failure(str(failure), facts.exit_code) from failure
            await self._until_started(container)
        self.seen_us = since_boot_us()

    async def _revived(self, sandbox: str | None) -> bool:
        """Start a sandbox that has ended, with the Engine for example; say whether that was the trouble."""
        if sandbox is None:
            return False
        facts = await self._tools.engine.inspect(sandbox)
        if facts is None:
            raise NoSandbox(f"sandbox {sandbox[:12]} is gone")
        if facts.state is ContainerState.RUNNING:
            return False
        self.ordinary = False
        try:
            await patiently(lambda: self._tools.engine.start_sandbox(sandbox))
        except (EngineRefused, EngineConflict, EngineNotFound) as failure:
            # An Engine that was killed while it started one refuses to start it ever again.
            raise NoSandbox(f"sandbox {sandbox[:12]} cannot be started: {failure}") from failure
        return True

    async def _until_started(self, container: ContainerFacts) -> None:
        """Ask for the start until it is answered, or until its work is seen though the answer was lost."""
        engine = self._tools.engine
        asked = asyncio.create_task(patiently(lambda: engine.start(container.id)), name=f"start-{self._name}")
        try:
            while True:
                await self._asking.done_or_asked(asked, within_s=_LOOK_S)
                if asked.done():
                    return asked.result()
                facts = await engine.inspect(container.id)
                if facts is not None and facts.state is not ContainerState.CREATED:
                    return None
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)


def half_started(said: str) -> bool:
    """Tell a start that is refused for what a killed Engine has left of an earlier one."""
    return _HALF_STARTED.search(said) is not None


def start_failure(said: str, exit_code: int) -> NotStarted:
    """Return what the Engine's refusal to start a container makes of its run."""
    if exit_code in NO_COMMAND:
        return NotStarted(no_command(said, exit_code))
    return NotStarted(Outcome(Reason.START_FAILED, f"cannot start the container: {said}"))


def no_command(said: str, code: int) -> Outcome:
    """Return the outcome of a container whose command is not there."""
    return Outcome(Reason.COMMAND_NOT_FOUND, f"{said}; check command, args and the image", code)
