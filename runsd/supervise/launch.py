"""The launch of an attempt: a container that is made and started, and the reading of its output."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from runsd_sdk.run import Reason

from runsd.engine.port import ContainerFacts, ContainerState
from runsd.logs.capture import Capture
from runsd.run import Outcome
from runsd.store.attempts import Work
from runsd.supervise import payload
from runsd.supervise.asking import Asking
from runsd.supervise.output import Live, Output, copy_live, copy_record
from runsd.supervise.preparing import Preparation
from runsd.supervise.program import Program
from runsd.supervise.secrets import AttemptSecrets
from runsd.supervise.starting import Start
from runsd.supervise.tools import Gone, NotStarted, Tools


class Launch:
    """What leads to a running container. ``sandbox`` is the one that it joins, as far as is known."""

    def __init__(
        self,
        work: Work,
        name: str,
        tools: Tools,
        asking: Asking,
        program: Program | None,
        secrets: AttemptSecrets,
    ) -> None:
        self.sandbox: str | None = None
        self._work = work
        self._name = name
        self._tools = tools
        self._asking = asking
        self._program = program
        self._secrets = secrets
        self._start = Start(name, tools, asking)
        self._kind = " ".join(filter(None, (work.spec.network, work.spec.runtime)))

    @property
    def seen_us(self) -> int | None:
        """When the start was seen, in microseconds after the host's boot; None if a former daemon saw it."""
        return self._start.seen_us

    async def under_way(
        self, stack: AsyncExitStack, own_capture: Callable[[], Awaitable[Capture]], exited: asyncio.Event
    ) -> tuple[ContainerFacts, asyncio.Task[int | None]]:
        """Return the container, made and started where it was not, and the reading of its output.

        It is made in its turn, not before: those that wait cost the Engine nothing, and nothing to cancel.
        """
        work = await self._asking.work()
        # Before an image is on record, no container was ever asked for.
        container = None if work.image_id is None else await self._tools.engine.inspect(self._name)
        async with AsyncExitStack() as turn:
            if container is None:
                container = await self._made(work, turn)
            else:
                self.sandbox = container.joined
                if container.state is ContainerState.CREATED:
                    await self._secrets.lay_out()
                    await turn.enter_async_context(self._start.turn(self._kind))
            if work.container_id is None:
                await self._tools.attempts.created(work, container.id, engine=self._tools.monitor.identity)
            capture = await own_capture()
            into = Output(
                self._tools.engine, container.id, capture, self._tools.logs, await self._secrets.mask()
            )
            reading = _reading(into, container, exited, withheld=self._secrets.locked)
            output = await stack.enter_async_context(reading)
            if container.state is ContainerState.CREATED:
                await self._check_not_started()
                if work.has_payload:
                    await payload.put(self._tools, work.id, container.id)
                await self._start.of(container)
        return container, output

    async def _made(self, work: Work, turn: AsyncExitStack) -> ContainerFacts:
        """Make the container when its turn has come; a pull takes none."""
        if work.container_id is not None:
            raise Gone
        preparation = Preparation(work, self._name, self._tools, self._asking, self._program, self._secrets)
        image_id = await preparation.image()
        await turn.enter_async_context(self._start.turn(self._kind))
        container = await preparation.container(image_id)
        self._start.ordinary = preparation.quick
        self.sandbox = container.joined
        return container

    async def _check_not_started(self) -> None:
        """Raise NotStarted for a container that was seen running, though its Engine has forgotten that."""
        if (await self._asking.work()).started_us is not None:
            said = "the Engine forgot that it ran (after a power cut, say); its exit cannot be known"
            raise NotStarted(Outcome(Reason.LOST, said))

    async def undo(self) -> None:
        """Take a container that was never started from the record, and then from the Engine."""
        await self._tools.attempts.unmade(self._work)
        self._asking.changed()
        await self._tools.engine.remove(self._name)
        if self.sandbox is not None:
            self._tools.sandboxes.give_back(self.sandbox, as_it_is=False)
            self.sandbox = None


@asynccontextmanager
async def _reading(
    output: Output, container: ContainerFacts, exited: asyncio.Event, *, withheld: str | None
) -> AsyncIterator[asyncio.Task[int | None]]:
    """Read the output from before the start; the value is awaited for its end.

    Live output is complete only if this very connection was there before the start: a container that
    another one's late start has set going in between is read from the Engine's own record, and so is
    every one that comes later or was lost on the way.
    Output that is ``withheld``, for the sake of secrets in it that are not known, is not read at all.
    """
    async with AsyncExitStack() as stack:
        engine, live = output.engine, None
        if withheld is None and container.state is ContainerState.CREATED:
            pieces = await stack.enter_async_context(engine.attach(container.id))
            facts = await engine.inspect(container.id)
            if facts is not None and facts.state is ContainerState.CREATED:
                live = Live(pieces, stack.aclose)
        copying: Coroutine[Any, Any, int | None]
        if withheld is not None:
            copying = _withhold(output.capture, withheld)
        else:
            copying = copy_record(output) if live is None else copy_live(output, live, exited)
        task = asyncio.create_task(copying, name=f"output-{container.name}")
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _withhold(capture: Capture, why: str) -> None:
    await capture.remark(
        f"[runsd: output is withheld from here on, for secrets in it cannot be known: {why}]"
    )
