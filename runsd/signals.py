"""Wake-ups inside the daemon: who waits for a change is told that there may be one, and looks again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Signals:
    """Any number of listeners per topic. A signal carries nothing: the truth is in the store."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}

    def notify(self, *topics: str) -> None:
        """Wake everyone who listens to one of these topics."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.set()

    @contextmanager
    def listening(self, *topics: str) -> Iterator[asyncio.Event]:
        """Lend an event that is set by each signal; subscribe before looking, clear before looking again."""
        event = asyncio.Event()
        for topic in topics:
            self._listeners.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._listeners[topic].discard(event)
                if not self._listeners[topic]:
                    del self._listeners[topic]


async def woken(event: asyncio.Event, within_s: float) -> bool:
    """Wait for a signal for so many seconds; say whether it came, and clear it."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
