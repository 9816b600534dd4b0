"""One attempt, from wherever it is to its end: the truth about a run is made here.

Every step asks what is and does what is missing, so the same way through serves a fresh attempt, one that a
former daemon left behind in any phase, and one whose Engine went away and came back:

    image -> create -> attach -> start -> output | exit | deadline and cancel -> inspect -> outcome
          -> log on disk -> finish (attempt, bill, run, event at once) -> remove the container

The row always comes first: the container's id is stored before the start, the intent to stop before the
signal, the outcome before the removal. Cancelling the task that runs this means that the daemon is leaving:
nothing final is written and the container is left alone.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog
from runsd_sdk.run import Reason

from runsd import faults, retry
from runsd.engine.init import exec_failure
from runsd.engine.port import (
    ContainerFacts,
    ContainerState,
    Stream,
)
from runsd.errors import EngineConflict, EngineNotFound, EngineRefused, EngineUnavailable
from runsd.faults import Step
from runsd.logs.capture import Capture
from runsd.run import Exit, Outcome, Stop, outcome
from runsd.store.attempts import Work
from runsd.store.ended import Ended
from runsd.supervise.asking import Asking
from runsd.supervise.naming import container_name
from runsd.supervise.output import Output, copy_live, copy_record
from runsd.supervise.patience import patiently
from runsd.supervise.preparing import Preparation
from runsd.supervise.stopping import Stopping
from runsd.supervise.tools import NotStarted, Tools
from runsd.supervise.usage import Watched

log = structlog.get_logger()

_LOST_GRACE_S = 2.0
_LOG_END_S = 300.0
_INIT_SAYS_BYTES = 1024
# By convention of shells and of docker: the command was found but is not executable, or was not found.
_NO_COMMAND: Final = (126, 127)


class Gone(Exception):
    """The attempt's container is not there any more."""


class Attempt:
    """A live attempt, carried out as often as it takes.

    ``carry_out`` raises EngineUnavailable when nothing can be known, and other errors of runsd when something
    went wrong on the way: in either case it is called again. What one try has learned, the next one keeps.
    """

    def __init__(self, work: Work, tools: Tools) -> None:
        self._work = work
        self._tools = tools
        self._name = container_name(work.id, work.attempt)
        self._log = log.bind(run=work.id, attempt=work.attempt)
        self._asking = Asking(work, tools)
        self._capture: Capture | None = None
        self._stopping: Stopping | None = None

    async def carry_out(self) -> None:
        """Bring the attempt to its end, store that, and clean up."""
        with self._asking.listening():
            try:
                ended = await self._to_its_end()
            except NotStarted as end:
                ended = Ended(end.outcome)
            except (Gone, EngineNotFound):
                ended = await self._lost()
            await self._conclude(ended)
        await self._clear()

    async def give_up(self, failure: Exception) -> None:
        """End an attempt that fails again and again in a way that is not the Engine's absence."""
        await self._tools.engine.remove(self._name)
        work = await self._tools.attempts.work(self._work.id) or self._work
        reason = Reason.START_FAILED if work.started_us is None else Reason.LOST
        said = f"runsd could not carry it out and removed its container: {failure}"
        await self._conclude(Ended(Outcome(reason, said), started_us=work.started_us))
        await self._clear()

    async def _to_its_end(self) -> Ended:
        container = await self._container()
        capture = await self._own_capture()
        exited = asyncio.Event()
        async with self._output(container, capture, exited) as output:
            if container.state is ContainerState.CREATED:
                await self._start(container)
            await self._watch(container, output)
            exited.set()
            await self._end_of(output)
        await capture.flush()
        return await self._judge(container, capture)

    # The start

    async def _container(self) -> ContainerFacts:
        container = await self._tools.engine.inspect(self._name)
        if container is None:
            work = await self._tools.attempts.work(self._work.id) or self._work
            if work.container_id is not None:
                raise Gone
            container = await Preparation(work, self._name, self._tools, self._asking).container()
        await self._tools.attempts.created(self._work, container.id)
        return container

    async def _start(self, container: ContainerFacts) -> None:
        engine = self._tools.engine
        async with self._tools.starts:
            await self._asking.check_stop("before it was started")
            try:
                await patiently(lambda: engine.start(container.id))
            except (EngineRefused, EngineConflict, EngineNotFound) as failure:
                facts = await engine.inspect(container.id)
                if facts is None:
                    raise Gone from failure
                raise _start_failure(str(failure), facts.exit_code) from failure

    # The output, and the exit

    async def _own_capture(self) -> Capture:
        """Return the one capture of this attempt, with everything that it was fed on disk."""
        if self._capture is None:
            self._capture = await self._tools.logs.capture(self._work.id, self._work.attempt)
        await self._capture.flush()
        return self._capture

    @asynccontextmanager
    async def _output(
        self, container: ContainerFacts, capture: Capture, exited: asyncio.Event
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Read the output from before the start; the value is awaited for its end.

        Live output is complete only if this very connection was there before the start: a container that
        another one's late start has set going in between is read from the Engine's own record, and so is
        every one that comes later or was lost on the way.
        """
        engine = self._tools.engine
        async with AsyncExitStack() as stack:
            output = Output(engine, container.id, capture, self._tools.logs)
            copying = copy_record(output)
            if container.state is ContainerState.CREATED:
                live = await stack.enter_async_context(engine.attach(container.id))
                facts = await engine.inspect(container.id)
                if facts is not None and facts.state is ContainerState.CREATED:
                    copying.close()
                    copying = copy_live(output, live, exited)
            task = asyncio.create_task(copying, name=f"output-{self._name}")
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _watch(self, container: ContainerFacts, output: asyncio.Task[None]) -> None:
        """See the container through its run: started, perhaps asked to stop, exited."""
        engine, work = self._tools.engine, self._work
        facts = await engine.inspect(container.id)
        if facts is None:
            raise Gone
        if facts.started_us is None:
            raise _start_failure(facts.error or "the Engine did not start it", facts.exit_code)
        if await self._tools.attempts.started(work, facts.started_us):
            self._tell()
            self._tools.metrics.waited.observe(max(0, facts.started_us - work.created_us) / 1e6)
            self._log.info("run.running", container=container.id[:12])
        if facts.state is ContainerState.EXITED:
            return
        stopping = self._stopping or Stopping(work, facts, self._tools)
        self._stopping = stopping
        ending = asyncio.create_task(engine.wait(container.id), name=f"exit-{self._name}")
        try:
            with self._tools.usage.watching(self._name, Watched(work.id, work.attempt, container.id)):
                while not ending.done():
                    within_s = await _proceed(stopping, ending)
                    await self._asking.done_or_asked(ending, output, within_s=within_s)
                    if output.done():
                        output.result()  # a failure to read it is not left until the exit
            ending.result()
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    async def _end_of(self, output: asyncio.Task[None]) -> None:
        """Wait for the end of the output of a container that has exited."""
        faults.before(Step.OUTPUT)
        try:
            async with asyncio.timeout(_LOG_END_S):
                await output
            faults.after(Step.OUTPUT)
        except TimeoutError as failure:
            said = f"the output of {self._name} has not ended {_LOG_END_S:g} s after its exit"
            raise EngineUnavailable(said) from failure

    # The outcome

    async def _judge(self, container: ContainerFacts, capture: Capture) -> Ended:
        facts = await self._tools.engine.inspect(container.id)
        if facts is None:
            raise Gone
        used = await self._tools.usage.final(self._name)
        oom_killed = facts.oom_killed or (used is not None and used.oom_kills > 0)
        captured = capture.captured
        return Ended(
            await self._outcome(facts, oom_killed=oom_killed),
            started_us=facts.started_us,
            finished_us=facts.finished_us,
            cpu_us=used.cpu_us if used else None,
            memory_peak_bytes=used.memory_peak_bytes if used else None,
            usage_source=used.source if used else None,
            stdout_bytes=captured.stdout_bytes,
            stderr_bytes=captured.stderr_bytes,
            logs_truncated=captured.truncated,
        )

    async def _outcome(self, facts: ContainerFacts, *, oom_killed: bool) -> Outcome:
        ended = outcome(Exit(facts.exit_code, oom_killed), await self._stop_sent(facts))
        if ended.reason is Reason.EXITED and facts.exit_code in _NO_COMMAND:
            work = self._work
            start = await self._tools.logs.head(work.id, work.attempt, Stream.STDERR, _INIT_SAYS_BYTES)
            if (said := exec_failure(facts.exit_code, start)) is not None:
                return _no_command(said, facts.exit_code)
        return ended

    async def _stop_sent(self, facts: ContainerFacts) -> Stop | None:
        """Say what stopped it: what our signal did, or what the record says where a former daemon sent it.

        Without a witness, a container that ended before the intent was on record ended by itself.
        """
        stopping = self._stopping
        if stopping is not None and stopping.signalled and stopping.reason is not None:
            return Stop(stopping.reason, signalled=True)
        work = await self._tools.attempts.work(self._work.id)
        if work is None or work.stop_reason is None or work.stop_us is None:
            return None
        if stopping is not None and stopping.first:
            return Stop(work.stop_reason, signalled=False)
        return Stop(work.stop_reason, signalled=(facts.finished_us or work.stop_us) >= work.stop_us)

    async def _lost(self) -> Ended:
        """Make sure that the container is gone, and say that its exit cannot be known."""
        await asyncio.sleep(_LOST_GRACE_S)
        if await self._tools.engine.inspect(self._name) is not None:
            raise EngineUnavailable(f"container {self._name} was gone and is back")
        written = (await self._own_capture()).captured
        work = await self._tools.attempts.work(self._work.id) or self._work
        said = "the container was removed behind runsd's back; its exit cannot be known and is not billed"
        return Ended(
            Outcome(Reason.LOST, said),
            started_us=work.started_us,
            stdout_bytes=written.stdout_bytes,
            stderr_bytes=written.stderr_bytes,
            logs_truncated=written.truncated,
        )

    # The end

    async def _conclude(self, ended: Ended) -> None:
        work = await self._tools.attempts.work(self._work.id) or self._work
        jitter = random.random()  # noqa: S311 - to spread retries, not to hide anything
        delay_s = None
        if not work.cancelled:
            delay_s = retry.delay_s(work.spec.retries, ended.outcome, work.attempt, jitter=jitter)
        retried = False
        if delay_s is not None:
            at = self._tools.clock() + int(delay_s * 1e6)
            retried = await self._tools.attempts.retry(work, ended, not_before_us=at)
        if retried or await self._tools.attempts.finish(work, ended):
            self._count(ended, retried=retried)
            self._log.info(
                "run.retrying" if retried else "run.finished",
                status=ended.outcome.status.value,
                reason=ended.outcome.reason.value,
                exit_code=ended.outcome.exit_code,
            )
        self._tell()
        self._tools.signals.notify("queue")

    async def _clear(self) -> None:
        await self._tools.engine.remove(self._name)
        await self._tools.usage.clear(self._name)

    def _count(self, ended: Ended, *, retried: bool) -> None:
        metrics = self._tools.metrics
        metrics.log_bytes.inc(ended.stdout_bytes + ended.stderr_bytes)
        if ended.started_us is not None and ended.finished_us is not None:
            metrics.ran.observe(max(0, ended.finished_us - ended.started_us) / 1e6)
        if retried:
            metrics.retried.inc()
        else:
            metrics.count_outcome(ended.outcome.status, ended.outcome.reason)

    def _tell(self) -> None:
        self._tools.tell(self._work.id)


async def _proceed(stopping: Stopping, ending: asyncio.Task[None]) -> float:
    """Do what is due, but not longer than the container lives.

    The Engine answers a SIGKILL when it has seen the exit, and now and then only two seconds after it.
    """
    proceeding = asyncio.create_task(stopping.proceed(), name="proceed")
    try:
        await asyncio.wait({proceeding, ending}, return_when=asyncio.FIRST_COMPLETED)
        ended_first = not proceeding.done() and stopping.signalled is not None
        return 0.0 if ended_first else await proceeding
    finally:
        proceeding.cancel()
        await asyncio.gather(proceeding, return_exceptions=True)


def _start_failure(said: str, exit_code: int) -> NotStarted:
    if exit_code in _NO_COMMAND:
        return NotStarted(_no_command(said, exit_code))
    return NotStarted(Outcome(Reason.START_FAILED, f"cannot start the container: {said}"))


def _no_command(said: str, code: int) -> Outcome:
    return Outcome(Reason.COMMAND_NOT_FOUND, f"{said}; check command, args and the image", code)
