"""Output from the Engine into the store: live, or from the Engine's own record where that was missed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from runsd.engine.port import Engine, Stream
from runsd.logs.capture import Capture, LogWriter
from runsd.signals import woken

log = structlog.get_logger()

_COMPARED_BYTES = 4096
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

    Where the record no longer begins as the stored output does, the Engine has thrown its beginning away:
    what it still has is stored behind a remark that some output may be missing or repeated.
    """
    capture = output.capture
    skip = capture.positions
    heads: dict[Stream, bytes] = {}
    async with output.engine.logs(output.container, follow=True) as record:
        async for stream, data in record:
            if stream not in heads and skip[stream]:
                stored = await output.writer.head(capture.run_id, capture.attempt, stream, _COMPARED_BYTES)
                heads[stream] = data[: len(stored)]
                if not stored.startswith(heads[stream]):
                    log.warning("run.log_rotated", run=capture.run_id, stream=stream.name.lower())
                    await capture.remark(
                        f"[runsd: the Engine had thrown away the beginning of {stream.name.lower()};"
                        " output may be missing or repeated here]"
                    )
                    skip[stream] = 0
            known = min(skip[stream], len(data))
            skip[stream] -= known
            if known < len(data):
                await capture.feed(stream, data[known:])
