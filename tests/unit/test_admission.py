"""Who may start: never more than there is, in order of claim, and nobody is delayed by who comes later."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from runsd.admission import Holding, Resources, Waiting, choose

HOST = Resources(4000, 8, 1)
NOTHING = Resources(0, 0)


@dataclass(frozen=True, slots=True)
class Job:
    """A run of a simulated day: when it is submitted, what it asks for, and how long it lasts in seconds."""

    at: int
    asks: Resources
    lasts: int


def wants(cpu: int, memory: int = 1, *, lasts: float = 100, id: str = "", gpus: int = 0) -> Waiting:
    return Waiting(id or f"{cpu}m", Resources(cpu, memory, gpus), lasts)


def holds(cpu: int, memory: int = 1, *, ends_in: float) -> Holding:
    return Holding(Resources(cpu, memory), ends_in)


def test_an_empty_queue_and_an_empty_host() -> None:
    assert choose([], [], HOST) == []
    assert choose([wants(4000, 8)], [], HOST) == ["4000m"]


def test_first_come_first_served() -> None:
    queue = [wants(2000, id=name) for name in "abc"]
    assert choose(queue, [], HOST) == ["a", "b"]


def test_no_more_than_asked_for_are_chosen_and_they_are_the_first() -> None:
    queue = [wants(100, id=name) for name in "abcd"]
    assert choose(queue, [], HOST, most=2) == ["a", "b"]
    blocked = [wants(4000, id="big"), *queue]
    assert choose(blocked, [holds(100, ends_in=500)], HOST, most=1) == ["a"]


def test_memory_and_gpus_count_as_processors_do() -> None:
    assert choose([wants(10, 8, id="a"), wants(10, 1, id="b")], [], HOST) == ["a"]
    assert choose([wants(10, gpus=1, id="a"), wants(10, gpus=1, id="b")], [], HOST) == ["a"]


def test_a_small_run_passes_a_big_one_that_it_cannot_delay() -> None:
    queue = [wants(4000, id="big"), wants(1000, lasts=50, id="small")]
    assert choose(queue, [holds(2000, ends_in=50)], HOST) == ["small"]


def test_a_small_run_that_would_delay_the_big_one_waits() -> None:
    queue = [wants(4000, id="big"), wants(1000, lasts=51, id="small")]
    assert choose(queue, [holds(2000, ends_in=50)], HOST) == []


def test_a_long_small_run_passes_where_the_big_one_leaves_room() -> None:
    queue = [wants(3000, id="big"), wants(1000, lasts=10_000, id="small")]
    assert choose(queue, [holds(2000, ends_in=50)], HOST) == ["small"]


def test_a_gap_is_given_once() -> None:
    queue = [wants(4000, id="big"), *(wants(1000, lasts=50, id=name) for name in "abc")]
    assert choose(queue, [holds(2000, ends_in=50)], HOST) == ["a", "b"]


def test_one_larger_than_the_host_stands_in_nobodys_way() -> None:
    assert choose([wants(5000, id="huge"), wants(4000, id="big")], [], HOST) == ["big"]


def test_an_overdue_run_holds_what_it_has() -> None:
    assert choose([wants(4000)], [holds(1000, ends_in=0)], HOST) == []
    assert choose([wants(3000)], [holds(1000, ends_in=-60)], HOST) == ["3000m"]


def test_a_host_that_shrank_admits_nobody_until_it_is_below_its_capacity() -> None:
    held = [holds(4000, ends_in=10), holds(4000, ends_in=20)]
    assert choose([wants(10, lasts=1)], held, HOST) == []
    assert choose([wants(10, lasts=1)], held[:1], Resources(4010, 8)) == ["10m"]


asks = st.builds(Resources, st.integers(1, 4500), st.integers(1, 9), st.integers(0, 1))
jobs = st.lists(st.builds(Job, st.integers(0, 60), asks, st.integers(1, 40)), max_size=14)


@given(
    st.lists(st.tuples(asks, st.integers(1, 100)), max_size=12),
    st.lists(st.tuples(asks, st.integers(0, 100)), max_size=6),
)
def test_no_choice_exceeds_the_capacity(
    queue: list[tuple[Resources, int]], held: list[tuple[Resources, int]]
) -> None:
    waiting = [Waiting(str(n), asks, lasts) for n, (asks, lasts) in enumerate(queue)]
    holding = [Holding(asks, ends) for asks, ends in held]
    chosen = choose(waiting, holding, HOST)
    assert len(set(chosen)) == len(chosen)
    assert chosen == sorted(chosen, key=int)
    in_use = NOTHING
    for holds in holding:
        in_use += holds.holds
    for id in chosen:
        in_use += waiting[int(id)].asks
        assert HOST.covers(in_use)


@given(jobs)
def test_whoever_is_alone_or_first_starts_at_once(submitted: list[Job]) -> None:
    fit = [job for job in submitted if HOST.covers(job.asks)]
    assert [starts_of([job])[0] for job in fit] == [job.at for job in fit]


@given(jobs)
@settings(max_examples=200)
def test_nobody_is_delayed_by_who_comes_later(submitted: list[Job]) -> None:
    submitted.sort(key=lambda job: job.at)
    starts = starts_of(submitted)
    for n in range(len(submitted)):
        assert starts_of(submitted[: n + 1])[n] == starts[n]


@given(jobs)
def test_nobody_waits_for_ever_and_nothing_is_ever_exceeded(submitted: list[Job]) -> None:
    submitted.sort(key=lambda job: job.at)
    starts = starts_of(submitted)
    for job, start in zip(submitted, starts, strict=True):
        assert (start is not None) == HOST.covers(job.asks)
    for moment in [start for start in starts if start is not None]:
        in_use = NOTHING
        for job, start in zip(submitted, starts, strict=True):
            if start is not None and start <= moment < start + job.lasts:
                in_use += job.asks
        assert HOST.covers(in_use)


def starts_of(submitted: Sequence[Job]) -> list[int | None]:
    """Live through a day in which everybody lasts as long as allowed; return when each starts."""
    starts: list[int | None] = [None] * len(submitted)
    moments = {job.at for job in submitted}
    while moments:
        now = min(moments)
        moments.remove(now)
        waiting = [
            Waiting(str(n), job.asks, job.lasts)
            for n, job in enumerate(submitted)
            if job.at <= now and starts[n] is None
        ]
        holding = [
            Holding(job.asks, start + job.lasts - now)
            for job, start in zip(submitted, starts, strict=True)
            if start is not None and start + job.lasts > now
        ]
        for id in choose(waiting, holding, HOST):
            starts[int(id)] = now
            moments.add(now + submitted[int(id)].lasts)
    return starts
