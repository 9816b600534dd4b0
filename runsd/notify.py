"""What systemd is told: ready, alive, stopping. Silent where nobody listens. Source: sd_notify(3)."""

import asyncio
import os
import socket


def ready() -> None:
    """Say that the socket answers."""
    _tell("READY=1\nSTATUS=Serving")


def stopping() -> None:
    """Say that the daemon is on its way out, and its containers are not."""
    _tell("STOPPING=1\nSTATUS=Stopping; containers run on")


async def keep_alive() -> None:
    """Show signs of life at half the interval that the service manager asks for, if it does.

    They come from the event loop itself: a loop that hangs shows none, and is restarted.
    """
    interval_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    while interval_us:
        _tell("WATCHDOG=1")
        await asyncio.sleep(interval_us / 2e6)


def _tell(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.sendall(state.encode())
