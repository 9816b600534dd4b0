"""Output from the Engine into the store: live, or from the Engine's own record where that was missed."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from runsd.clock import now_us
from runsd.engine.port import ContainerState, Engine, Stream
from runsd.errors import EngineRefused, EngineUnavailable
from runsd.logs.alignment import Astray, Doubt, Known, Search, Skip, places
from runsd.logs.capture import Capture, LogWriter
from runsd.logs.veil import Recorded, Veil
from runsd.mask import Mask
from runsd.signals import woken

log = structlog.get_logger()

LOOK_BYTES = 64 * 1024
"""Of each stream so much is compared with the Engine's record when the program has ended (confirm.py)."""

# How long after the end of its output a container has usually exited.
_EXIT_FOLLOWS_S = 2.0
# How long live output may wait for the disk.
_STALL_S = 1.0
# Between two readings of a record that cannot be followed: at least so long, and twice what a reading takes.
_PAUSE_S = 1.0
_TRIES = 10
# The Engine keeps three files; before the third is begun nothing was thrown away.
_KEPT_FILES = 2

_DOUBTS = {
    Doubt.GONE: "the Engine had thrown away the beginning of its record; output of unknown length is missing",
    Doubt.UNSEEN: "the Engine had thrown away the beginning of its record; output may be missing",
    Doubt.BROKEN: "the Engine's record does not have the last output read live; output may be missing",
    Doubt.UNCERTAIN: "it is uncertain where the Engine's record goes on; output may be missing or repeated",
}
_SHORT = "the Engine's record ends before what was read from it live; output may be missing"


@dataclass(frozen=True, slots=True)
class Output:
    """Where an attempt's output comes from, and where it goes; ``mask`` covers secrets on the way."""

    engine: Engine
    container: str
    capture: Capture
    writer: LogWriter
    mask: Mask | None = None

    @asynccontextmanager
    async def record(
        self, *, follow: bool, last_lines: int | None = None, ended: bool = False
    ) -> AsyncIterator[Recorded]:
        """Open the Engine's record as it may be stored; ``ended`` says that nothing will follow its end."""
        async with self.engine.logs(self.container, follow=follow, last_lines=last_lines) as pieces:
            yield Recorded(pieces, self.mask, ended=ended)


@dataclass(frozen=True, slots=True)
class Live:
    """Output as it comes, and how to leave before its end."""

    pieces: AsyncIterator[tuple[Stream, bytes]]
    leave: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where to go on in a record, stream by stream, and what there is to say before."""

    skips: Mapping[Stream, Skip]
    doubts: dict[Stream, Doubt]


async def copy_live(output: Output, live: Live, exited: asyncio.Event) -> int | None:
    """Copy live output to its end, and return when that came; None where the rest was read from the record.

    It ends with the container. A program that closed its output, or a connection that was lost, ends it
    sooner: then the Engine's record is read on from there. So it is when the disk falls behind: the Engine
    throws away what a program wrote last if whoever is attached has not read for 2 s (moby:
    daemon/monitor.go, handleContainerExit).
    """
    veil = None if output.mask is None else Veil(output.mask)
    async for stream, data in live.pieces:
        output.capture.add(stream, data if veil is None else veil.feed(stream, data))
        if not output.capture.far_behind:
            continue
        try:
            async with asyncio.timeout(_STALL_S):
                await output.capture.catch_up()
        except TimeoutError:
            log.warning("run.output_stalled", run=output.capture.run_id, attempt=output.capture.attempt)
            await live.leave()
            await copy_record(output)
            return None
    ended_us = now_us()
    if await woken(exited, _EXIT_FOLLOWS_S):
        # In a record a byte that is not UTF-8 has become three.
        compared = max(output.capture.positions.values()) < LOOK_BYTES // 3
        if compared or await had_finished(output, ended_us):
            for stream, data in veil.finish() if veil is not None else ():
                output.capture.add(stream, data)
            return ended_us
    await copy_record(output)
    return None


async def had_finished(output: Output, at_us: int) -> bool:
    """Say whether the container had ended by then.

    The Engine ends the live output 20 ms and more after the instant that it records as FinishedAt (measured
    with 20.10); a lost connection looks the same, and comes at any time.
    """
    facts = await output.engine.inspect(output.container)
    return facts is None or facts.finished_us is None or facts.finished_us <= at_us


async def copy_record(output: Output) -> None:
    """Copy the Engine's record from the first byte that is not stored yet, to its end.

    What cannot be told exactly is said in the log itself.
    """
    try:
        await _copy_record(output)
    except EngineRefused as refusal:
        # A record that cannot be read (a line of it broken by a full disk, say) is no fact about the run.
        await _say(
            output, Stream.STDOUT, f"cannot read the Engine's record ({refusal}); output may be missing"
        )


async def _copy_record(output: Output) -> None:
    await output.capture.flush()
    known = await output.writer.known(output.capture.run_id, output.capture.attempt)
    facts = await output.engine.inspect(output.container)
    file_bytes = facts.log_file_bytes if facts is not None else None
    full = math.inf if file_bytes is None else file_bytes
    # Engine 20.10 may end a followed record before its last part is written, even after the exit.
    running = facts is not None and facts.state is ContainerState.RUNNING
    if not (running and await _follow(output, known, full)):
        await _read_repeatedly(output, known, full)


async def supersedes(output: Output) -> bool:
    """Say whether the Engine's record has everything that is stored, and its own beginning."""
    known = await output.writer.known(output.capture.run_id, output.capture.attempt)
    facts = await output.engine.inspect(output.container)
    searches, written = await _searched(output, known, ended=True)
    if facts is None or (facts.log_file_bytes is not None and written >= facts.log_file_bytes):
        return False
    return all(search.size >= known[stream].size and search.found for stream, search in searches.items())


async def _follow(output: Output, known: Mapping[Stream, Known], full: float) -> bool:
    """Follow a record that is in its first file still, where counting is exact; False if it is not."""
    async with output.record(follow=True) as record:
        if not any(one.telling for one in known.values()):
            _, written = await _searched(output, known, ended=False)
            if written >= full / 2:
                return False
        skips = {
            stream: Skip(one.size, head=one.head, before=one.anchor, pending=one.pending)
            for stream, one in known.items()
        }
        try:
            ended = await _copy(output, record, known, _Plan(skips, {}), until=full)
        except Astray:
            return False
    if ended:
        await _say_short(output, skips)
    return ended


async def _read_repeatedly(output: Output, known: Mapping[Stream, Known], full: float) -> None:
    """Read a record as it is, again and again until the container has exited.

    moby#37646 and others: whoever follows json-file over a rotation loses output, gets some of it twice, or
    sees a clean end. What is there at one moment is read without fail.
    """
    tries = 0
    while True:
        facts = await output.engine.inspect(output.container)
        exited = facts is None or facts.state is not ContainerState.RUNNING
        began = asyncio.get_running_loop().time()
        async with output.record(follow=False, ended=exited) as record:
            searches, written = await _searched(output, known, ended=exited)
            plan = _planned(searches, complete=written < _KEPT_FILES * full, exited=exited)
            try:
                await _copy(output, record, known, plan)
            except Astray:  # it was rotated between the two readings
                exited, tries = False, tries + exited
            if tries > _TRIES:
                raise EngineUnavailable("cannot read the output: each reading of the Engine's record differs")
        if exited:
            await _say_short(output, plan.skips)
            return
        took_s = asyncio.get_running_loop().time() - began
        await _until_exit(output, max(_PAUSE_S, 2 * took_s))


async def _searched(
    output: Output, known: Mapping[Stream, Known], *, ended: bool
) -> tuple[dict[Stream, Search], int]:
    """Look through the record as it is for the end of what is stored; also say how much it is at most."""
    searches = {stream: Search(one) for stream, one in known.items()}
    async with output.record(follow=False, ended=ended) as record:
        async for stream, data in record:
            searches[stream].feed(data)
    return searches, record.written


def _planned(searches: Mapping[Stream, Search], *, complete: bool, exited: bool) -> _Plan:
    """Plan a reading. A stream whose place is uncertain waits for the last one, so that it is said once."""
    skips, doubts = {}, {}
    for stream, (skip, doubt) in places(searches, complete=complete).items():
        waits = doubt is Doubt.UNCERTAIN and not exited
        skips[stream] = Skip(2**62, head=b"", before=b"") if waits else skip
        if doubt is not None:
            doubts[stream] = doubt
    return _Plan(skips, doubts)


async def _copy(
    output: Output,
    record: Recorded,
    known: Mapping[Stream, Known],
    plan: _Plan,
    until: float = math.inf,
) -> bool:
    """Store what is new; False once so much was written that a file may be full. Raises Astray."""
    async for stream, data in record:
        if new := plan.skips[stream].feed(data):
            if (doubt := plan.doubts.pop(stream, None)) is not None:
                await _say(output, stream, _DOUBTS[doubt])
            known[stream].copied(plan.skips[stream].completed + new)
            plan.skips[stream].completed = b""
            await output.capture.feed(stream, new)
        if record.written >= until:
            return False
    return True


async def _say_short(output: Output, skips: Mapping[Stream, Skip]) -> None:
    for stream in (stream for stream, skip in skips.items() if skip.left):
        await _say(output, stream, _SHORT)


async def _say(output: Output, stream: Stream, what: str) -> None:
    name = stream.name.lower()
    log.warning("run.output_uncertain", run=output.capture.run_id, stream=name, why=what)
    await output.capture.remark(f"[runsd: {name}: {what} here]")


async def _until_exit(output: Output, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await output.engine.wait(output.container)
    except TimeoutError:
        return
