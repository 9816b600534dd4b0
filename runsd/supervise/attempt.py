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
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import structlog
from runsd_sdk.run import Reason

from runsd import faults, retry
from runsd.clock import AN_EARLIER_BOOT, since_boot_us
from runsd.engine.port import (
    ContainerFacts,
    ContainerState,
)
from runsd.errors import EngineNotFound, EngineUnavailable
from runsd.faults import Step
from runsd.logs.capture import Capture, Captured
from runsd.run import Outcome
from runsd.store.attempts import Work
from runsd.store.ended import Ended
from runsd.supervise.asking import Asking
from runsd.supervise.confirm import complete
from runsd.supervise.engine_disk import explained
from runsd.supervise.launch import Launch
from runsd.supervise.naming import container_name
from runsd.supervise.output import Output
from runsd.supervise.program import Program
from runsd.supervise.secrets import AttemptSecrets
from runsd.supervise.starting import NoSandbox, start_failure
from runsd.supervise.stopping import Stopping
from runsd.supervise.tools import Gone, NotStarted, Tools
from runsd.supervise.usage import Watched
from runsd.supervise.verdict import Verdict

log = structlog.get_logger()

# How long after the exit the Engine may take to say whether the first signal came before it.
_ANSWER_FOLLOWS_S = 5.0
_LOG_END_S = 300.0


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
        self._secrets = AttemptSecrets(work, self._name, tools)
        self._program: Program | None = None
        if work.spec.python is not None:
            self._program = Program(
                work, work.spec.python, tools, self._asking, self._own_capture, self._secrets
            )
        self._launch = Launch(work, self._name, tools, self._asking, self._program, self._secrets)
        self._verdict = Verdict(work, self._name, tools)
        self._capture: Capture | None = None
        self._stopping: Stopping | None = None

    async def carry_out(self) -> None:
        """Bring the attempt to its end, store that, and clean up."""
        with self._asking.listening():
            try:
                ended = await self._to_its_end()
            except NotStarted as end:
                facts = self._tools.monitor.facts
                ended = Ended(explained(end.outcome, facts.root_dir if facts else None))
                if end.outcome.reason is Reason.LOST:
                    captured = await self._uncertain()
                    ended = replace(
                        ended,
                        stdout_bytes=captured.stdout_bytes,
                        stderr_bytes=captured.stderr_bytes,
                        logs_truncated=captured.truncated,
                    )
            except NoSandbox as gone:
                await self._launch.undo()
                raise EngineUnavailable(f"{gone}; {self._name} is made anew with another") from gone
            except (Gone, EngineNotFound):
                ended = await self._verdict.on_absence((await self._own_capture()).captured)
                await self._uncertain()
            await self._conclude(ended)
        await self._clear(ended)

    async def _uncertain(self) -> Captured:
        """Say in the log of a lost attempt that it may lack something, and return what there is."""
        capture = await self._own_capture()
        captured = capture.captured
        await capture.remark("[runsd: it was lost; output may be missing here]")
        await capture.flush()
        return captured

    async def give_up(self, failure: Exception) -> None:
        """Do without what fails again and again in a way that is not the Engine's absence.

        A container that ran has its exit judged, with the output that there is; it is not ended for our sake.
        """
        with self._asking.listening():
            await self._give_up(failure)

    async def _give_up(self, failure: Exception) -> None:
        container = await self._tools.engine.inspect(self._name)
        if container is not None and container.state is not ContainerState.CREATED:
            unread = asyncio.create_task(asyncio.sleep(0), name=f"unread-{self._name}")
            await self._watch(container, unread)
            capture = await self._own_capture()
            await capture.remark(f"[runsd: output may be missing here: {failure}]")
            await capture.flush()
            ended = await self._judged(container.id, capture)
            await self._conclude(ended)
            return await self._clear(ended)
        await self._tools.engine.remove(self._name)
        work = await self._asking.work()
        reason = Reason.START_FAILED if work.started_us is None else Reason.LOST
        said = f"runsd could not carry it out and removed its container: {failure}"
        ended = Ended(Outcome(reason, said), started_us=work.started_us)
        await self._conclude(ended)
        return await self._clear(ended)

    async def _to_its_end(self) -> Ended:
        exited = asyncio.Event()
        async with AsyncExitStack() as reading:
            container, output = await self._launch.under_way(reading, self._own_capture, exited)
            await self._watch(container, output)
            exited.set()
            live_ended_us = await self._end_of(output)
        capture = await self._own_capture()
        engine, mask = self._tools.engine, await self._secrets.mask()
        if self._secrets.locked is None:
            await complete(Output(engine, container.id, capture, self._tools.logs, mask), live_ended_us)
        return await self._judged(container.id, capture)

    async def _judged(self, container: str, capture: Capture) -> Ended:
        ended = await self._verdict.on_exit(container, capture.captured, self._stopping)
        if self._program is None:
            return ended
        return replace(ended, returned=await self._program.left_in(container))

    # The output, and the exit

    async def _own_capture(self) -> Capture:
        """Return the one capture of this attempt, with everything that it was fed on disk."""
        if self._capture is None:
            self._capture = await self._tools.logs.capture(self._work.id, self._work.attempt)
            self._capture.mask = await self._secrets.mask()
        await self._capture.flush()
        return self._capture

    async def _watch(self, container: ContainerFacts, output: asyncio.Task[Any]) -> None:
        """See the container through its run: started, perhaps asked to stop, exited."""
        engine, work = self._tools.engine, self._work
        facts = await engine.inspect(container.id)
        if facts is None:
            raise Gone
        if not facts.has_run:
            raise start_failure(facts.error or "the Engine did not start it", facts.exit_code)
        # An Engine that was killed in the middle of a start lets it run and does not know since when.
        started_us = facts.started_us or self._tools.clock()
        boot, began_us = self._beginning(started_us)
        if await self._tools.attempts.started(work, started_us, boot=boot, began_us=began_us):
            self._tell()
            if self._launch.seen_us is None:
                self._tools.signals.notify("queue")  # it has left the line of starts without a turn
            self._tools.metrics.waited.observe(max(0, started_us - work.created_us) / 1e6)
            self._log.info("run.running", container=container.id[:12])
        if facts.state is ContainerState.EXITED:
            return
        if self._stopping is None:
            self._asking.changed()
            work = await self._asking.work()
            self._stopping = Stopping(work, container.id, self._tools, self._asking)
        ending = asyncio.create_task(engine.wait(container.id), name=f"exit-{self._name}")
        try:
            with self._tools.usage.watching(self._name, Watched(work.id, work.attempt, container.id)):
                while not ending.done():
                    within_s = await _proceed(self._stopping, ending)
                    await self._asking.done_or_asked(ending, output, within_s=within_s)
                    if output.done():
                        output.result()  # a failure to read it is not left until the exit
            ending.result()
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    def _beginning(self, started_us: int) -> tuple[str, int]:
        """Return in which boot of the host, and when after it, the container was started."""
        if self._launch.seen_us is not None:
            return self._tools.boot, self._launch.seen_us
        began_us = since_boot_us() - max(0, self._tools.clock() - started_us)
        return (self._tools.boot if began_us >= 0 else AN_EARLIER_BOOT), began_us

    async def _end_of(self, output: asyncio.Task[int | None]) -> int | None:
        """Wait for the end of the output of a container that has exited, and return when it came."""
        faults.before(Step.OUTPUT)
        try:
            async with asyncio.timeout(_LOG_END_S):
                ended_us = await output
        except TimeoutError as failure:
            said = f"the output of {self._name} has not ended {_LOG_END_S:g} s after its exit"
            raise EngineUnavailable(said) from failure
        faults.after(Step.OUTPUT)
        return ended_us

    # The end

    async def _conclude(self, ended: Ended) -> None:
        await self._tools.telemetry.final(self._work.id, self._work.attempt)
        ended = await self._secrets.covered(ended)
        work = await self._asking.work()
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
        self._tools.tell_end(self._work.id)
        self._tools.signals.notify("queue")

    async def _clear(self, ended: Ended) -> None:
        await self._tools.engine.remove(self._name)
        await self._tools.usage.clear(self._name)
        await self._secrets.clear()
        if self._launch.sandbox is not None:
            # Of a lost one a process may be left that the Engine knows nothing of.
            known = ended.outcome.reason is not Reason.LOST
            self._tools.sandboxes.give_back(self._launch.sandbox, as_it_is=known)

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
    """Do what is due, but not much longer than the container lives.

    The Engine answers a SIGKILL when it has seen the exit, now and then only two seconds after it, or never.
    """
    proceeding = asyncio.create_task(stopping.proceed(), name="proceed")
    try:
        await asyncio.wait({proceeding, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not proceeding.done() and stopping.signalled is None:
            await asyncio.wait({proceeding}, timeout=_ANSWER_FOLLOWS_S)
        return await proceeding if proceeding.done() else 0.0
    finally:
        proceeding.cancel()
        await asyncio.gather(proceeding, return_exceptions=True)
