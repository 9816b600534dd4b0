"""Flights: one piece of work per key, however many want what comes of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Tell = Callable[[str], None]
"""Takes one line of progress, for a person."""


class Flights(Generic[T]):
    """The work that is going on. Whoever leaves leaves the others alone; the last one ends it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._flying: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    async def join(self, key: str, work: Callable[[Tell], Coroutine[Any, Any, T]], tell: Tell) -> T:
        """Return what the work gives or raise what it raises; begin it where nobody has.

        ``tell`` gets every line from now on, and first the last one that there was.
        """
        flight = self._flying.get(key)
        if flight is None:
            flight = self._flying[key] = _Flight()
            flight.task = asyncio.create_task(work(flight.tell), name=f"{self._name}-{key[:12]}")
        elif flight.last:
            tell(flight.last)
        flight.listeners.append(tell)
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.listeners.remove(tell)
            done = flight.task.done()
            if (done or not flight.listeners) and self._flying.get(key) is flight:
                del self._flying[key]
            if not done and not flight.listeners:
                flight.task.cancel()
                await asyncio.gather(flight.task, return_exceptions=True)


class _Flight(Generic[T]):
    task: "asyncio.Task[T]"

    def __init__(self) -> None:
        self.listeners: list[Tell] = []
        self.last = ""

    def tell(self, line: str) -> None:
        self.last = line
        for listener in list(self.listeners):
            listener(line)
