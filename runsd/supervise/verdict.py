"""The verdict on an attempt whose container has ended: from the Engine's record, or from its absence."""

import asyncio
from dataclasses import replace

from runsd_sdk.run import Reason

from runsd.clock import since_boot_us
from runsd.engine.init import exec_failure
from runsd.engine.port import ContainerFacts, Stream
from runsd.errors import EngineUnavailable
from runsd.logs.capture import Captured
from runsd.run import Exit, Outcome, Stop, outcome
from runsd.store.attempts import Work
from runsd.store.ended import Ended
from runsd.supervise.starting import NO_COMMAND, no_command
from runsd.supervise.stopping import Stopping
from runsd.supervise.tools import Gone, Tools

_LOST_GRACE_S = 2.0
_INIT_SAYS_BYTES = 1024
# SIGKILL and SIGTERM: what an Engine sends when it leaves, and when it finds containers of its predecessor.
_ENGINE_ENDS_WITH = (137, 143)


class Verdict:
    """What became of one attempt. ``work`` is as far as its row had come when the attempt was taken up."""

    def __init__(self, work: Work, name: str, tools: Tools) -> None:
        self._work = work
        self._name = name
        self._tools = tools

    async def on_exit(self, container: str, captured: Captured, stopping: Stopping | None) -> Ended:
        """Judge a container that is not running any more. Raises Gone when it is not there either."""
        facts = await self._tools.engine.inspect(container)
        if facts is None:
            raise Gone
        work = await self._now()
        used = await self._tools.usage.final(self._name)
        oom_killed = facts.oom_killed or (used is not None and used.oom_kills > 0)
        known = not self._host_went_down(work, facts)
        ended = (
            await self._outcome(work, facts, stopping, oom_killed=oom_killed)
            if known
            else _ended_by_host(work)
        )
        return Ended(
            ended,
            started_us=facts.started_us,
            finished_us=facts.finished_us if known else None,
            cpu_us=used.cpu_us if used else None,
            memory_peak_bytes=used.memory_peak_bytes if used else None,
            usage_source=used.source if used else None,
            stdout_bytes=captured.stdout_bytes,
            stderr_bytes=captured.stderr_bytes,
            logs_truncated=captured.truncated,
        )

    async def on_absence(self, captured: Captured) -> Ended:
        """Make sure that the container is gone, and say that its exit cannot be known.

        Raises EngineUnavailable when it is back, or when another Engine answers: there it never was.
        """
        await asyncio.sleep(_LOST_GRACE_S)
        if await self._tools.engine.inspect(self._name) is not None:
            raise EngineUnavailable(f"container {self._name} was gone and is back")
        work = await self._now()
        present = (await self._tools.engine.facts()).identity
        if work.engine not in (None, present) and not work.cancelled:
            raise EngineUnavailable(elsewhere(work.engine, present))
        return Ended(
            Outcome(Reason.LOST, self._why_absent(work, present)),
            started_us=work.started_us,
            stdout_bytes=captured.stdout_bytes,
            stderr_bytes=captured.stderr_bytes,
            logs_truncated=captured.truncated,
        )

    async def _now(self) -> Work:
        return await self._tools.attempts.work(self._work.id) or self._work

    def _host_went_down(self, work: Work, facts: ContainerFacts) -> bool:
        """Say whether the exit is the Engine's invention.

        It finds a container dead that it knew alive before the host went down, and puts down code 255 and
        the present (seen with Engine 20.10; moby: daemon/daemon.go, restore).
        """
        if facts.started_us is None or facts.finished_us is None or not self._tools.engine_here:
            return False
        if work.boot == self._tools.boot:
            return False
        if any(facts.started_us < boot_us <= facts.finished_us for boot_us in self._tools.boots_us):
            return True
        return work.boot is not None and facts.finished_us >= self._tools.clock() - since_boot_us()

    async def _outcome(
        self, work: Work, facts: ContainerFacts, stopping: Stopping | None, *, oom_killed: bool
    ) -> Outcome:
        ended = outcome(Exit(facts.exit_code, oom_killed), _stop_sent(work, facts, stopping))
        if ended.reason is not Reason.EXITED:
            return ended
        if facts.exit_code in NO_COMMAND:
            start = await self._tools.logs.head(work.id, work.attempt, Stream.STDERR, _INIT_SAYS_BYTES)
            if (said := exec_failure(facts.exit_code, start)) is not None:
                return no_command(said, facts.exit_code)
        if facts.exit_code in _ENGINE_ENDS_WITH and self._tools.monitor.was_away(facts.finished_us or 0):
            said = "the Docker Engine was stopped or restarted then, and without live-restore ends containers"
            return replace(ended, message=f"{ended.message}; {said}")
        return ended

    def _why_absent(self, work: Work, present: str) -> str:
        unknown = "its exit cannot be known and is not billed"
        if work.engine not in (None, present):
            return f"cancelled while the Engine that ran it was away ({work.engine}); {unknown}"
        if work.boot not in (None, self._tools.boot):
            return f"the host was restarted while it ran, and its container is gone; {unknown}"
        return f"the container was removed behind runsd's back; {unknown}"


def elsewhere(theirs: str | None, present: str | None) -> str:
    """Say that a run's container is on an Engine that does not answer at the moment."""
    return (
        f"its container is on another Engine (ID {theirs}) than the one that answers now (ID {present});"
        " bring that one back, or cancel the run"
    )


def _stop_sent(work: Work, facts: ContainerFacts, stopping: Stopping | None) -> Stop | None:
    """Say what stopped it: what our signal did, or what the record says where a former daemon sent it.

    Without a witness, a container that ended before the intent was on record ended by itself.
    """
    if stopping is not None and stopping.signalled and stopping.reason is not None:
        return Stop(stopping.reason, signalled=True)
    if work.stop_reason is None or work.stop_us is None:
        return None
    if stopping is not None and stopping.first and not stopping.unanswered:
        return Stop(work.stop_reason, signalled=False)
    return Stop(work.stop_reason, signalled=(facts.finished_us or work.stop_us) >= work.stop_us)


def _ended_by_host(work: Work) -> Outcome:
    unknown = "its exit is in nobody's record and is not billed"
    if work.stop_reason is not None:
        return Outcome(
            work.stop_reason, f"{work.stop_reason.value}; the host was restarted meanwhile, {unknown}"
        )
    return Outcome(Reason.LOST, f"the host was restarted while it ran; {unknown}")
