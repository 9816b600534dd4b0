"""Calls of the Engine that are kept waiting, as a wedged one keeps them."""

import asyncio
import threading
import time
from types import TracebackType
from typing import Self


class Hold:
    """A kind of call that is not answered until ``answer`` or ``drop``. Made by ``Proxy.hold``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, kinds: tuple[str, ...], container: str, forwarded: bool
    ) -> None:
        self.forwarded = forwarded
        self._loop = loop
        self._kinds = kinds
        self._container = container
        self._over: bool | None = None
        self._waiting: set[asyncio.Future[bool]] = set()
        self._held = 0
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    @property
    def held(self) -> int:
        """How many calls it has taken so far."""
        with self._changed:
            return self._held

    def await_held(self, count: int = 1, *, within_s: float = 60.0) -> None:
        """Return when it has taken so many calls."""
        until = time.monotonic() + within_s
        with self._changed:
            while self._held < count:
                assert self._changed.wait(until - time.monotonic()), f"{self._held} of {count} calls came"

    def answer(self) -> None:
        """Let the calls go on and be answered, late; the next ones are not held."""
        self._loop.call_soon_threadsafe(self._end, True)

    def drop(self) -> None:
        """Cut the connections of the calls that are held; the next ones pass. Repeating it does nothing."""
        self._loop.call_soon_threadsafe(self._end, False)

    # In the proxy's thread

    def takes(self, kind: str, container: str) -> bool:
        """Say whether such a call is to be held."""
        return self._over is None and kind in self._kinds and self._container in ("", container)

    async def wait(self) -> bool:
        """Wait until it is over; say whether the call is to go on."""
        over: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.add(over)
        with self._changed:
            self._held += 1
            self._changed.notify_all()
        try:
            return await over
        finally:
            self._waiting.discard(over)

    def _end(self, answered: bool) -> None:
        if self._over is None:
            self._over = answered
            for over in self._waiting:
                if not over.done():
                    over.set_result(answered)
