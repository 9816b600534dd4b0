"""Paced starts: so many at once as get the most done, the others waiting in line for their turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from runsd.climb import Climb

# A freed turn is taken at once, by one of these, while the scheduler finds others in the queue.
_IN_HAND = 4
_Line = dict["Turn", None]


class Turn:
    """A place in the line. ``here`` is done when the turn has come."""

    def __init__(self) -> None:
        self.here: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.began_s = 0.0
        self.fullness: object | None = None
        self.kind: str | None = None

    def started(self, kind: str) -> None:
        """Say that something was really started, of what kind: the length of this turn is learned from."""
        self.kind = kind


class Pace:
    """Turns to have the Engine start something, first come first served.

    How many have their turn at once is learned from how long they take (``runsd/climb.py``), and only from
    what fully belongs to that number: turns in which something was started, during which exactly ``limit``
    were under way, and after which somebody still waited.
    """

    def __init__(
        self,
        climb: Climb,
        *,
        on_low: Callable[[], None] = lambda: None,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self.followed = False
        """Whether runs stay in the queue only because enough are in line; ``on_low`` calls for them."""
        self._climb = climb
        self._on_low = on_low
        self._on_idle = on_idle
        self._line: _Line = {}
        self._starting = 0
        # Stands for one time during which exactly ``limit`` are under way; None while fewer or more are.
        self._fullness: object | None = None

    @property
    def limit(self) -> int:
        """How many may be in their turn at once, at the moment."""
        return self._climb.limit

    @property
    def starting(self) -> int:
        """How many are in their turn."""
        return self._starting

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._line)

    @property
    def idle(self) -> bool:
        """Whether nothing is being started, and nobody waits to be."""
        return self._starting == 0 == self.waiting

    @property
    def enough(self) -> int:
        """How many in their turn, or on the way to it, are enough for a turn never to stay free."""
        return 2 * self.limit + _IN_HAND

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a turn and have it until the context is left."""
        with self.in_line() as turn:
            await turn.here
            yield turn

    @contextmanager
    def in_line(self) -> Iterator[Turn]:
        """Stand in line, for whoever waits for other things too; leaving ends the turn or the wait."""
        turn = Turn()
        self._line[turn] = None
        self._call_up()
        try:
            yield turn
        except BaseException:
            turn.kind = None
            raise
        finally:
            if turn.here.done() and not turn.here.cancelled():
                self._end(turn)
            else:
                self._line.pop(turn, None)

    def _call_up(self) -> None:
        """Let as many come as there is room for."""
        while self._starting < self.limit and self._line:
            turn = next(iter(self._line))
            del self._line[turn]
            if turn.here.cancelled():  # its owner is on the way out
                continue
            self._starting += 1
            turn.here.set_result(None)
            turn.began_s = asyncio.get_running_loop().time()
            turn.fullness = self._now_full()
        self._now_full()

    def _end(self, turn: Turn) -> None:
        self._starting -= 1
        exact = turn.fullness is not None and turn.fullness is self._fullness
        if turn.kind is not None and exact and self.waiting:
            before = self.limit
            self._climb.took(asyncio.get_running_loop().time() - turn.began_s, turn.kind)
            if self.limit != before:
                self._fullness = None
        self._call_up()
        if self.followed and self.waiting < self.limit:
            self._on_low()
        if self.idle:
            self._on_idle()

    def _now_full(self) -> object | None:
        if self._starting != self.limit:
            self._fullness = None
        elif self._fullness is None:
            self._fullness = object()
        return self._fullness
