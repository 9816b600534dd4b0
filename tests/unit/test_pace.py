"""Turns: in order, never too many, none lost; learned from only where it is fair."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from runsd.climb import Climb
from runsd.supervise.pace import Pace


def paced(most: int, *, begin: int) -> Pace:
    return Pace(Climb(most, begin=begin), on_idle=lambda: None)


class Starts:
    """Starts that wait for their turn and then to be let go."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.begun: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def ask(self, *names: str) -> None:
        for name in names:
            self._go[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._start(name))
            await settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self._go[name].set()
            await self.tasks[name]
        await settle()

    async def _start(self, name: str) -> None:
        async with self.pace.turn() as turn:
            self.begun.append(name)
            await self._go[name].wait()
            turn.started("none")


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_turns_come_in_order_and_never_more_than_the_limit() -> None:
    starts = Starts(paced(2, begin=2))
    await starts.ask("a", "b", "c", "d")
    assert starts.begun == ["a", "b"]
    assert (starts.pace.starting, starts.pace.waiting, starts.pace.limit) == (2, 2, 2)
    await starts.end("b")
    assert starts.begun == ["a", "b", "c"]
    await starts.end("a", "c", "d")
    assert starts.begun == ["a", "b", "c", "d"]
    assert (starts.pace.starting, starts.pace.waiting) == (0, 0)


async def test_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    starts = Starts(paced(1, begin=1))
    await starts.ask("a", "b", "c")
    await cancelled(starts.tasks["b"])
    assert starts.pace.waiting == 1
    await starts.end("a", "c")
    assert starts.begun == ["a", "c"]
    assert (starts.pace.starting, starts.pace.waiting) == (0, 0)


async def test_who_is_cancelled_as_the_turn_comes_passes_it_on() -> None:
    starts = Starts(paced(1, begin=1))
    await starts.ask("b")
    starts.tasks["a"] = starts.tasks.pop("b")
    with starts.pace.in_line() as turn:
        await starts.ask("c")
        await cancelled(starts.tasks["a"])  # its turn goes to us
        assert turn.here.done()
        assert starts.begun == ["b"]
    await settle()
    assert starts.begun == ["b", "c"]
    await starts.end("c")


async def test_a_turn_that_comes_to_one_just_cancelled_is_not_lost() -> None:
    pace, came = paced(1, begin=1), asyncio.Event()

    async def one() -> None:
        async with pace.turn():
            came.set()

    for end_first in (True, False):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(pace.turn())
            leaving = asyncio.create_task(one())
            staying = asyncio.create_task(one())
            await settle()
            if end_first:
                await stack.aclose()
                leaving.cancel()
            else:
                leaving.cancel()
                await stack.aclose()
            async with asyncio.timeout(10):
                await staying
            await asyncio.gather(leaving, return_exceptions=True)
        assert (pace.starting, pace.waiting) == (0, 0)


async def test_a_failure_ends_its_turn() -> None:
    pace = paced(1, begin=1)
    with pytest.raises(ZeroDivisionError):
        async with pace.turn():
            raise ZeroDivisionError
    async with asyncio.timeout(10), pace.turn():
        assert pace.starting == 1


async def rounds(pace: Pace, count: int, *, at_once: int, how: str = "started") -> set[int]:
    """Have so many turns, so many asking at a time; return the limits that were seen."""
    limits, left = {pace.limit}, iter(range(count))

    async def ask() -> None:
        for _ in left:
            with suppress(ZeroDivisionError):
                async with pace.turn() as turn:
                    await asyncio.sleep(0)
                    if how != "not started":
                        turn.started("none")
                    assert 1 / (how != "failed")
            limits.add(pace.limit)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(ask())
    return limits


async def test_with_a_backlog_other_limits_are_tried_within_the_bounds() -> None:
    limits = await rounds(paced(8, begin=4), 600, at_once=30)
    assert len(limits) > 1
    assert limits <= {1, 2, 3, 4, 6, 8}


@pytest.mark.parametrize(
    ("at_once", "how"),
    [(1, "started"), (3, "started"), (4, "started"), (30, "failed"), (30, "not started")],
)
async def test_nothing_is_learned_without_backlog_or_from_what_was_no_start(at_once: int, how: str) -> None:
    assert await rounds(paced(8, begin=4), 600, at_once=at_once, how=how) == {4}


async def test_when_the_limit_rises_more_come_and_when_it_falls_nobody_until_there_is_room() -> None:
    climb = Climb(2, begin=1)
    starts = Starts(Pace(climb, on_idle=lambda: None))
    await starts.ask("a", "b", "c", "d", "e")
    learn(climb, until=2)
    await starts.end("a")
    assert starts.begun == ["a", "b", "c"]
    learn(climb, until=1)
    await starts.end("b")
    assert starts.begun == ["a", "b", "c"]
    await starts.end("c")
    assert starts.begun == ["a", "b", "c", "d"]
    await starts.end("d", "e")


async def test_those_who_follow_are_called_for_when_the_line_runs_low() -> None:
    calls: list[int] = []
    starts = Starts(Pace(Climb(1, begin=1), on_low=lambda: calls.append(starts.pace.waiting)))
    await starts.ask("a", "b", "c")
    starts.pace.followed = True
    await starts.end("a")
    assert calls == []
    await starts.end("b")
    assert calls == [0]
    starts.pace.followed = False
    await starts.end("c")
    assert calls == [0]


def learn(climb: Climb, *, until: int) -> None:
    """Let it find that two at once take twice as long as one, which is no gain."""
    while climb.limit != until:
        climb.took(float(climb.limit))
