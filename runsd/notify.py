"""What systemd is told: ready, alive, stopping. Silent where nobody listens. Source: sd_notify(3)."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

_LONG_START_S = 30.0


def ready() -> None:
    """Say that the socket answers."""
    _tell("READY=1\nSTATUS=Serving")


def stopping() -> None:
    """Say that the daemon is on its way out, and its containers are not."""
    _tell("STOPPING=1\nSTATUS=Stopping; containers run on")


@contextlib.asynccontextmanager
async def long_start() -> AsyncIterator[None]:
    """Ask for patience while a start takes longer than starts do: an old database is migrated."""
    asking = asyncio.create_task(_ask_for_time(), name="notify-long-start")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def keep_alive() -> None:
    """Show signs of life at half the interval that the service manager asks for, if it does.

    They come from the event loop itself: a loop that hangs shows none, and is restarted.
    """
    # sd_watchdog_enabled(3): the variables may have been meant for a process that started us.
    meant_for = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    interval_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    while interval_us and meant_for == str(os.getpid()):
        _tell("WATCHDOG=1")
        await asyncio.sleep(interval_us / 2e6)


async def _ask_for_time() -> None:
    while True:
        await asyncio.sleep(_LONG_START_S)
        _tell(f"EXTEND_TIMEOUT_USEC={int(2e6 * _LONG_START_S)}\nSTATUS=Bringing the databases up to date")


def _tell(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A service manager that does not listen any more is no reason to fail: sd_notify(3) says to ignore it.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
    ):
        sender.settimeout(0)  # one that is far behind must not halt the event loop
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.send(state.encode())
