"""The end of a process that was started in a session of its own: it, and whatever it has started, is gone."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from contextlib import suppress

_PIECE = 128 * 1024


async def end(process: Process, *, grace_s: float = 0.0) -> None:
    """End a process and its children, and wait for it; with a grace it is asked first (SIGTERM)."""
    try:
        if grace_s and process.returncode is None:
            _signal(process, signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await _gone(process)
    finally:
        _signal(process, signal.SIGKILL)
        await _gone(process)


async def _gone(process: Process) -> None:
    """Wait for the end; asyncio sees it only when the pipes are empty (gh-119710)."""
    for stream in (process.stdout, process.stderr):
        while stream is not None and await stream.read(_PIECE):
            pass
    await process.wait()


def _signal(process: Process, number: int) -> None:
    # Its children may outlive it: the group has their names too.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
