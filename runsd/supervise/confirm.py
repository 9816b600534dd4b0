"""Confirmation: what was read is compared with the Engine's own record once, when the program has ended.

A connection can be lost between two frames, or be joined to the output after the program began, and Engine
20.10 ends a record that is followed before its last part is written: all of that looks like an ordinary end.
One look at the record tells: all of a short one, beginning and end of a long one.
"""

import structlog

from runsd.engine.port import Stream
from runsd.errors import EngineRefused
from runsd.logs.record import Recorder, as_recorded
from runsd.supervise.output import Output, copy_record, supersedes

log = structlog.get_logger()

_LOOK_BYTES = 64 * 1024
_END_BYTES = 1024
_END_LINES = 40
_CHARACTER_BYTES = 12


async def complete(output: Output) -> None:
    """Add from the Engine's record what the output of a container that has exited turns out to lack.

    Where something is missing before what was read, all is stored anew from a record that has all of it.
    """
    await output.capture.flush()
    try:
        begins_alike, ended = await _begins_alike(output)
        lacks_beginning = not begins_alike and await supersedes(output)
        if not lacks_beginning and ((begins_alike and ended) or await _ends_alike(output)):
            return
    except EngineRefused as refusal:  # what cannot be read proves nothing against what was
        log.warning("run.output_not_confirmed", run=output.capture.run_id, error=str(refusal))
        return
    log.warning("run.output_completed", run=output.capture.run_id, attempt=output.capture.attempt)
    if lacks_beginning:
        await output.capture.discard()
    await copy_record(output)
    await output.capture.flush()


async def _begins_alike(output: Output) -> tuple[bool, bool]:
    """Compare the first bytes of record and store; also say whether these were all of the record.

    A record that ends sooner than what was read live proves nothing against that.
    """
    record: dict[Stream, bytearray] = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
    ended = True
    async with output.engine.logs(output.container, follow=False) as pieces:
        async for stream, data in pieces:
            record[stream] += data
            if len(record[stream]) > _LOOK_BYTES:
                ended = False
                break
    alike = [await _alike(output, stream, bytes(seen)) for stream, seen in record.items()]
    return all(alike), ended


async def _alike(output: Output, stream: Stream, seen: bytes) -> bool:
    if not seen:
        return True
    capture, recorder = output.capture, Recorder()
    head = await output.writer.head(capture.run_id, capture.attempt, stream, _LOOK_BYTES)
    stored = recorder.feed(head)
    if len(head) < _LOOK_BYTES:  # it is all that is stored
        stored += recorder.finish()
        if len(seen) > len(stored):
            return False
    size = min(len(seen), len(stored))
    return seen[:size] == stored[:size]


async def _ends_alike(output: Output) -> bool:
    """Compare the last lines of the record with what is stored last of each stream."""
    capture = output.capture
    record: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async with output.engine.logs(output.container, follow=False, last_lines=_END_LINES) as pieces:
        async for stream, data in pieces:
            record[stream] += data
    for stream, seen in record.items():
        end = await output.writer.end(capture.run_id, capture.attempt, stream, _END_BYTES)
        # What is stored may be cut inside a character.
        if seen and not as_recorded(end).endswith(seen[-max(1, len(end) - _CHARACTER_BYTES) :]):
            return False
    return True
