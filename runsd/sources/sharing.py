"""Work that any number of callers share: each gets what was begun after it asked."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Begin = Callable[[], None]


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.waiters = 0
        self.task: asyncio.Task[T]


class Shared(Generic[T]):
    """Work by key. It may wait before it begins; until then whoever asks for the same joins it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._boarding: dict[Hashable, _Flight[T]] = {}

    async def take(self, key: Hashable, work: Callable[[Begin], Coroutine[Any, Any, T]]) -> T:
        """Return what the work returns, or raise what it raises.

        ``work`` calls what it is given when it begins. Work whose callers have all left is cancelled.
        """
        flight = self._boarding.get(key)
        if flight is None:
            flight = self._boarding[key] = _Flight()
            begin = self._closing(key, flight)
            flight.task = asyncio.create_task(work(begin), name=self._name)
            flight.task.add_done_callback(lambda task: _over(task, begin))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.task.done():
                self._closing(key, flight)()
                flight.task.cancel()
                await asyncio.gather(flight.task, return_exceptions=True)

    def _closing(self, key: Hashable, flight: _Flight[T]) -> Begin:
        def close() -> None:
            if self._boarding.get(key) is flight:
                del self._boarding[key]

        return close


def _over(task: "asyncio.Task[T]", close: Begin) -> None:
    close()
    if not task.cancelled():
        task.exception()  # asked for, since nobody may be left to whom it could be told
