"""Confirmation: what was read is compared with the Engine's own record once, when the program has ended.

A connection can be lost between two frames, or be joined to the output after the program began, and Engine
20.10 ends a record that is followed before its last part is written: all of that looks like an ordinary end.
One look at the record tells: all of a short one, beginning and end of a long one.
"""

import structlog

from runsd.engine.port import Stream
from runsd.errors import EngineRefused
from runsd.logs.record import Recorder, as_recorded
from runsd.supervise.output import LOOK_BYTES, Output, copy_record, had_finished, supersedes

log = structlog.get_logger()

_END_BYTES = 1024
_END_LINES = 40
_CHARACTER_BYTES = 12


async def complete(output: Output, live_ended_us: int | None) -> None:
    """Add from the Engine's record what the output of a container that has exited turns out to lack.

    Where something is missing before what was read, all is stored anew from a record that has all of it.
    ``live_ended_us`` is when the live output ended, if it was read live to its end.
    """
    await output.capture.flush()
    try:
        begins_alike, lacks_end, ended = await _compared(output)
        lacks_beginning = not begins_alike and await supersedes(output)
        seen_all = lacks_beginning or lacks_end or (begins_alike and ended)
        lacks_end = lacks_end or (not seen_all and not await _ends_alike(output))
    except EngineRefused as refusal:  # what cannot be read proves nothing against what was
        log.warning("run.output_not_confirmed", run=output.capture.run_id, error=str(refusal))
        lacks_beginning, lacks_end = False, not await _ended_with_it(output, live_ended_us)
    if not lacks_beginning and not lacks_end:
        return
    log.warning("run.output_completed", run=output.capture.run_id, attempt=output.capture.attempt)
    if lacks_beginning:
        await output.capture.discard()
    await copy_record(output)
    await output.capture.flush()


async def _ended_with_it(output: Output, live_ended_us: int | None) -> bool:
    return live_ended_us is None or await had_finished(output, live_ended_us)


async def _compared(output: Output) -> tuple[bool, bool, bool]:
    """Compare the first bytes of record and store: do they begin alike, and is more there than is stored?

    Also say whether these were all of the record. One that ends sooner than what was read live proves
    nothing against that.
    """
    record: dict[Stream, bytearray] = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
    ended = True
    async with output.record(follow=False, ended=True) as pieces:
        async for stream, data in pieces:
            record[stream] += data
            if len(record[stream]) > LOOK_BYTES:
                ended = False
                break
    looks = [await _look(output, stream, bytes(seen)) for stream, seen in record.items()]
    return all(alike for alike, _ in looks), any(lacks_end for _, lacks_end in looks), ended


async def _look(output: Output, stream: Stream, seen: bytes) -> tuple[bool, bool]:
    """Say of one stream whether it begins alike, and whether all that is stored is less than was seen."""
    if not seen:
        return True, False
    capture, recorder = output.capture, Recorder()
    head = await output.writer.head(capture.run_id, capture.attempt, stream, LOOK_BYTES)
    stored = recorder.feed(head)
    if len(head) < LOOK_BYTES:  # it is all that is stored
        whole = stored + recorder.finish()
        if len(seen) > len(whole):
            alike = seen.startswith(stored)
            return alike, alike
        stored = whole
    size = min(len(seen), len(stored))
    return seen[:size] == stored[:size], False


async def _ends_alike(output: Output) -> bool:
    """Compare the last lines of the record with what is stored last of each stream."""
    capture = output.capture
    record: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async with output.record(follow=False, last_lines=_END_LINES, ended=True) as pieces:
        async for stream, data in pieces:
            record[stream] += data
    for stream, seen in record.items():
        end = await output.writer.end(capture.run_id, capture.attempt, stream, _END_BYTES)
        # What is stored may be cut inside a character.
        if seen and not as_recorded(end).endswith(seen[-max(1, len(end) - _CHARACTER_BYTES) :]):
            return False
    return True
