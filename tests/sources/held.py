"""A line to a server of repositories that tests without a loop can hold: it lives on a loop of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.sources.repository import Line

T = TypeVar("T")
_WITHIN_S = 60.0


class Held:
    """A line to a server of repositories, which lives on a loop of its own."""

    def __init__(self, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        self.port = line.port
        self._line = line
        self._loop = loop

    def hold(self, after: int) -> None:
        self._loop.call_soon_threadsafe(lambda: self._line.hold(after))

    def until_holding(self) -> None:
        _on(self._loop, self._line.holding.wait())

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._line.release)


@contextmanager
def held_line(port: int) -> Iterator[Held]:
    """Lend a line that tests without a loop can hold."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:

        async def make() -> Line:
            return Line(port)

        line = _on(loop, make())
        opened = line.open()
        _on(loop, opened.__aenter__())
        yield Held(line, loop)
        _on(loop, opened.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, loop).result(_WITHIN_S)
