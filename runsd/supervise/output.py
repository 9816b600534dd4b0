"""Output from the Engine into the store: live, or from the Engine's own record where that was missed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from runsd.engine.port import Engine, Stream
from runsd.logs.capture import Capture, LogWriter
from runsd.logs.record import as_recorded
from runsd.signals import woken

log = structlog.get_logger()

_COMPARED_BYTES = 4096
_CHARACTER_BYTES = 12
# How long after the end of its output a container has usually exited.
_EXIT_FOLLOWS_S = 2.0


@dataclass(frozen=True, slots=True)
class Output:
    """Where an attempt's output comes from, and where it goes."""

    engine: Engine
    container: str
    capture: Capture
    writer: LogWriter


async def copy_live(output: Output, live: AsyncIterator[tuple[Stream, bytes]], exited: asyncio.Event) -> None:
    """Copy live output to its end.

    It ends with the container. A program that closed its output, or a connection that was lost, ends it
    sooner: then the Engine's record is followed from there.
    """
    async for stream, data in live:
        await output.capture.feed(stream, data)
    if not await woken(exited, _EXIT_FOLLOWS_S):
        await copy_record(output)


async def copy_record(output: Output) -> None:
    """Copy the Engine's record from the first byte that is not stored yet, and follow it to its end.

    Where the record does not begin as the stored output does, the Engine has thrown its beginning away: what
    it still has is stored behind a remark that some output may be missing or repeated.
    """
    await output.capture.flush()
    skip = await output.writer.recorded_sizes(output.capture.run_id, output.capture.attempt)
    compared: set[Stream] = set()
    async with output.engine.logs(output.container, follow=True) as record:
        async for stream, data in record:
            if skip[stream] and stream not in compared:
                compared.add(stream)
                if not await _begins_alike(output, stream, data):
                    skip[stream] = 0
                    await _remark(output, stream, "the Engine had thrown away its beginning", "or repeated ")
            known = min(skip[stream], len(data))
            skip[stream] -= known
            if known < len(data):
                await output.capture.feed(stream, data[known:])
    for stream in (stream for stream, left in skip.items() if left):
        await _remark(output, stream, "the Engine's record ends before what was read from it live", "")


async def _begins_alike(output: Output, stream: Stream, data: bytes) -> bool:
    of = output.capture.run_id, output.capture.attempt
    stored = as_recorded(await output.writer.head(*of, stream, _COMPARED_BYTES))
    # The last few bytes are left out: the head may have been cut inside a character.
    size = min(len(data), max(0, len(stored) - _CHARACTER_BYTES))
    return data[:size] == stored[:size]


async def _remark(output: Output, stream: Stream, why: str, also: str) -> None:
    log.warning("run.output_uncertain", run=output.capture.run_id, stream=stream.name.lower(), why=why)
    await output.capture.remark(f"[runsd: {stream.name.lower()}: {why}; output may be missing {also}here]")
