"""One piece of work for all who want it: shared, left, ended and failed."""

import asyncio

import pytest

from runsd.flights import Flight, Flights


class Work:
    """Work that begins, waits for a word, and ends; it counts how often it does."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go_on = asyncio.Event()

    async def __call__(self, flight: Flight[str, str]) -> str:
        self.begun += 1
        flight.tell("begun")
        try:
            await self.go_on.wait()
            flight.tell("going on")
            return "done"
        finally:
            self.ended += 1


async def test_a_hundred_share_one_work_and_hear_of_it() -> None:
    flights, work = Flights[str, str]("test"), Work()
    said: list[list[str]] = [[] for _ in range(100)]
    waiting = [asyncio.create_task(flights.join("key", work, lines.append)) for lines in said]
    await asyncio.sleep(0)
    work.go_on.set()
    assert set(await asyncio.gather(*waiting)) == {"done"}
    assert work.begun == 1
    assert all(lines == ["begun", "going on"] for lines in said)
    assert not len(flights)


async def test_another_key_is_other_work_and_what_is_over_begins_anew() -> None:
    flights, work = Flights[str, str]("test"), Work()
    work.go_on.set()
    await asyncio.gather(*(flights.join(key, work, print) for key in "ab"))
    await flights.join("a", work, lambda _: None)
    assert work.begun == 3


async def test_who_leaves_leaves_the_others_alone_and_the_last_one_ends_it() -> None:
    flights, work = Flights[str, str]("test"), Work()
    first, second = (asyncio.create_task(flights.join("key", work, lambda _: None)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (work.begun, work.ended) == (1, 0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert (work.begun, work.ended) == (1, 1)
    assert not len(flights)


async def test_a_failure_is_everybodys_and_not_kept() -> None:
    flights = Flights[str, str]("test")

    async def failing(_flight: Flight[str, str]) -> str:
        await asyncio.sleep(0)
        raise ValueError("no")

    ended = await asyncio.gather(
        *(flights.join("key", failing, lambda _: None) for _ in range(3)), return_exceptions=True
    )
    assert [str(one) for one in ended] == ["no"] * 3
    work = Work()
    work.go_on.set()
    assert await flights.join("key", work, lambda _: None) == "done"


@pytest.mark.parametrize("again", [1, 5])
async def test_who_comes_while_the_last_one_leaves_gets_new_work(again: int) -> None:
    flights, work = Flights[str, str]("test"), Work()
    first = asyncio.create_task(flights.join("key", work, lambda _: None))
    await asyncio.sleep(0)
    first.cancel()
    joined = [asyncio.create_task(flights.join("key", work, lambda _: None)) for _ in range(again)]
    await asyncio.gather(first, return_exceptions=True)
    work.go_on.set()
    assert await asyncio.gather(*joined) == ["done"] * again
    assert work.begun <= 2


async def test_who_comes_after_it_was_closed_gets_other_work() -> None:
    flights, first, second = Flights[str, str]("test"), Work(), Work()

    async def closing(flight: Flight[str, str]) -> str:
        flight.close()
        return await first(flight)

    early = asyncio.create_task(flights.join("key", closing))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(flights.join("key", second))
    await asyncio.sleep(0)
    assert len(flights) == 1  # the closed one ends without touching it
    first.go_on.set()
    assert await early == "done"
    assert len(flights) == 1
    second.go_on.set()
    assert await late == "done"
    assert (first.begun, second.begun) == (1, 1)
    assert not len(flights)
