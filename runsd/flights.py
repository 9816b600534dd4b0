"""Flights: one piece of work per key, however many want what comes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
N = TypeVar("N")
Tell = Callable[[str], None]
"""Takes one line of progress, for a person."""


class Flight(Generic[T, N]):
    """Work that is going on: ``task`` gives what comes of it, ``news`` is the last that it has told."""

    task: "asyncio.Task[T]"

    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close
        """Let nobody board any more: who asks for the same from now on gets other work."""
        self.news: N | None = None
        self.aboard: list[Callable[[N], None]] = []

    def tell(self, news: N) -> None:
        """Tell it to all who are aboard, and to whoever boards before there is other news."""
        self.news = news
        for hear in list(self.aboard):
            hear(news)


class Flights(Generic[T, N]):
    """The work that is going on. Whoever leaves leaves the others alone; the last one ends it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._boarding: dict[Hashable, Flight[T, N]] = {}

    def __len__(self) -> int:
        return len(self._boarding)

    async def join(
        self,
        key: Hashable,
        work: Callable[[Flight[T, N]], Coroutine[Any, Any, T]],
        hear: Callable[[N], None] | None = None,
    ) -> T:
        """Return what the work gives or raise what it raises; begin it where nobody has.

        ``hear`` gets all news from now on, and first the last that there was.
        """
        async with self.joining(key, work, hear) as flight:
            return await asyncio.shield(flight.task)

    @asynccontextmanager
    async def joining(
        self,
        key: Hashable,
        work: Callable[[Flight[T, N]], Coroutine[Any, Any, T]],
        hear: Callable[[N], None] | None = None,
    ) -> AsyncIterator[Flight[T, N]]:
        """Be aboard, and let the work go on for as long."""
        flight = self._boarding.get(key) or self._begun(key, work)
        hear = hear or _ignore
        if flight.news is not None:
            hear(flight.news)
        flight.aboard.append(hear)
        try:
            yield flight
        finally:
            flight.aboard.remove(hear)
            if not flight.aboard and not flight.task.done():
                flight.close()
                flight.task.cancel()
                await asyncio.gather(flight.task, return_exceptions=True)

    def _begun(self, key: Hashable, work: Callable[[Flight[T, N]], Coroutine[Any, Any, T]]) -> Flight[T, N]:
        def close() -> None:
            if self._boarding.get(key) is flight:
                del self._boarding[key]

        flight: Flight[T, N] = Flight(close)
        self._boarding[key] = flight
        flight.task = asyncio.create_task(work(flight), name=self._name)
        flight.task.add_done_callback(lambda task: _over(task, close))
        return flight


def _over(task: "asyncio.Task[T]", close: Callable[[], None]) -> None:
    close()
    if not task.cancelled():
        task.exception()  # asked for, since nobody may be left to whom it could be told


def _ignore(_news: object) -> None:
    pass
