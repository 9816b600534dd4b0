"""Whose turn it is among projects: least held goes first, ceilings hold, and nobody waits for ever."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd import fairness
from runsd.admission import Holding, Resources, Waiting, choose
from runsd.fairness import PATIENCE_S, Ceiling, Heads, Line, in_turn

HOST = Resources(4000, 4000)
NOTHING = Resources(0, 0)


@dataclass(frozen=True, slots=True)
class Job:
    """A run of a simulated host: whose it is, when it comes, what it asks for, how many seconds it takes."""

    project: str
    at: float
    asks: Resources
    lasts: float


@dataclass(slots=True)
class Host:
    """A host that is simulated: jobs come, and start as the rules for projects and for runs together say."""

    ceilings: dict[str, Ceiling] = field(default_factory=dict)
    heads: Heads = field(default_factory=Heads)
    starts: dict[int, float] = field(default_factory=dict)
    live: dict[int, float] = field(default_factory=dict)
    """When each live job ends."""

    def live_through(self, jobs: Sequence[Job], until: float) -> dict[int, float]:
        """Return when each job starts, of those that do; they are in the order of their coming."""
        coming = deque(enumerate(jobs))
        waiting: dict[str, list[int]] = {job.project: [] for job in jobs}
        now = 0.0
        while now <= until and (coming or self.live or any(waiting.values())):
            while coming and coming[0][1].at <= now:
                number, job = coming.popleft()
                if HOST.covers(job.asks):  # as the store leaves out what no host of this size can start
                    waiting[job.project].append(number)
            self.live = {n: ends for n, ends in self.live.items() if ends > now}
            for number in self._chosen(jobs, waiting, now):
                waiting[jobs[number].project].remove(number)
                self.starts[number] = now
                self.live[number] = now + jobs[number].lasts
            self._check(jobs)
            # The daemon looks again when something has changed, and after a minute.
            now = min([now + 60, *self.live.values(), *(job.at for _, job in islice(coming, 1))])
        return self.starts

    def _chosen(self, jobs: Sequence[Job], waiting: dict[str, list[int]], now: float) -> list[int]:
        lines = [
            Line(
                project,
                [Waiting(f"{n:06}", jobs[n].asks, jobs[n].lasts) for n in numbers[:64]],
                self._holds(jobs, project),
                sum(jobs[n].project == project for n in self.live),
                self.ceilings.get(project, Ceiling()),
            )
            for project, numbers in waiting.items()
        ]
        turn = in_turn(lines, HOST, self.heads.first_for_s(lines, now), most=64)
        holding = [Holding(jobs[n].asks, ends - now) for n, ends in self.live.items()]
        return [int(id) for id in choose(turn, holding, HOST)]

    def _holds(self, jobs: Sequence[Job], project: str) -> Resources:
        return sum((jobs[n].asks for n in self.live if jobs[n].project == project), NOTHING)

    def _check(self, jobs: Sequence[Job]) -> None:
        assert HOST.covers(sum((jobs[n].asks for n in self.live), NOTHING))
        for project, ceiling in self.ceilings.items():
            holds = self._holds(jobs, project)
            live = sum(jobs[n].project == project for n in self.live)
            assert ceiling.runs is None or live <= ceiling.runs
            assert ceiling.cpu_milli is None or holds.cpu_milli <= ceiling.cpu_milli
            assert ceiling.memory_bytes is None or holds.memory_bytes <= ceiling.memory_bytes


def line(project: str, *ids: str, cpu: int = 1000, holds: int = 0, live: int = 0, **ceiling: int) -> Line:
    waiting = [Waiting(id, Resources(cpu, 1), 60) for id in ids]
    return Line(project, waiting, Resources(holds, 0), live, Ceiling(**ceiling))


def ids(lines: Sequence[Line], *, most: int = 64, **first_for_s: float) -> str:
    return "".join(run.id for run in in_turn(lines, HOST, first_for_s, most=most))


def test_one_project_alone_is_served_as_if_there_were_no_projects() -> None:
    assert ids([line("a", *"123456")]) == "123456"
    assert ids([line("a", *"123456")], most=2) == "12"


def test_projects_take_turns_and_a_late_one_does_not_wait_for_a_backlog() -> None:
    assert ids([line("a", *"1234"), line("b", *"89")]) == "182934"
    assert ids([line("a", *"1234", holds=1000), line("b", *"89")]) == "819234"


def test_who_holds_least_of_what_it_holds_most_of_goes_first() -> None:
    memory = Line("b", line("b", *"89").waiting, Resources(0, 3000))
    assert ids([line("a", *"12", holds=2000), memory]) == "1289"
    assert ids([line("a", *"12", holds=3500), memory])[0] == "8"


def test_who_has_been_the_first_for_too_long_goes_before_all_the_longest_first() -> None:
    lines = [line("a", *"12"), line("b", *"45", holds=3000), line("c", *"89", holds=3000)]
    assert ids(lines, a=700.0, b=PATIENCE_S - 1) == "124859"
    assert ids(lines, b=PATIENCE_S)[0] == "4"
    assert ids(lines, b=PATIENCE_S, c=PATIENCE_S + 1)[:3] == "841"


@pytest.mark.parametrize(
    ("ceiling", "holds", "live", "turn"),
    [
        ({"runs": 3}, 1000, 1, "12"),
        ({"runs": 0}, 0, 0, ""),
        ({"cpu_milli": 2500}, 0, 0, "12"),
        ({"cpu_milli": 900}, 0, 0, ""),
        ({"memory_bytes": 3}, 0, 0, "123"),
        ({}, 0, 0, "123456"),
    ],
)
def test_no_more_than_the_ceiling_has_room_for(
    ceiling: dict[str, int], holds: int, live: int, turn: str
) -> None:
    assert ids([line("a", *"123456", holds=holds, live=live, **ceiling)]) == turn


def test_what_asks_for_more_than_its_project_may_have_stands_in_nobodys_way() -> None:
    big = Waiting("0", Resources(3000, 1), 60)
    assert ids([Line("a", [big, *line("a", *"12").waiting], ceiling=Ceiling(cpu_milli=2000))]) == "12"


def test_what_does_not_fit_beside_its_own_projects_runs_is_not_passed_by_these() -> None:
    big = Waiting("0", Resources(2000, 1), 60)
    behind = Line("a", [big, *line("a", "1").waiting], Resources(1000, 1), 1, Ceiling(cpu_milli=2000))
    assert ids([behind]) == ""


def test_it_is_said_what_holds_a_run_back() -> None:
    ceiling = Ceiling(runs=2, cpu_milli=2000, memory_bytes=1024**3)
    asks = Resources(1500, 512 * 1024**2)

    def said(cpu: int, memory: int, live: int) -> str | None:
        return ceiling.holds_back(asks, holds=Resources(cpu, memory), live=live)

    assert said(0, 0, 0) is None
    assert said(0, 0, 2) == "its project may have 2 live runs at once, and has 2"
    assert said(1000, 0, 1) == "its project may hold 2 cores at once: it holds 1, and this run asks for 1.5"
    assert (
        said(0, 1024**3, 1)
        == "its project may hold 1.0 GiB at once: it holds 1.0 GiB, and this run asks for 512.0 MiB"
    )


def test_since_when_a_first_is_the_first() -> None:
    heads = Heads()
    assert heads.first_for_s([line("a", *"12"), line("b")], 100) == {"a": 0}
    assert heads.first_for_s([line("a", *"12"), line("b", "9")], 130) == {"a": 30, "b": 0}
    assert heads.first_for_s([line("a", "2"), line("b", "9")], 150) == {"a": 0, "b": 20}
    assert heads.first_for_s([line("a", "2", runs=1, live=1), line("b")], 160) == {}
    assert heads.first_for_s([line("a", "2", runs=1)], 170) == {"a": 0}


asks = st.builds(Resources, st.integers(1, 4400), st.integers(1, 4400))
jobs = st.lists(
    st.builds(Job, st.sampled_from("abc"), st.integers(0, 2000), asks, st.integers(1, 1500)), max_size=16
)
ceilings = st.dictionaries(
    st.sampled_from("ab"),
    st.builds(
        Ceiling,
        st.none() | st.integers(1, 3),
        st.none() | st.integers(500, 5000),
        st.none() | st.integers(500, 5000),
    ),
)


@given(jobs, ceilings)
def test_nothing_is_ever_exceeded_and_whatever_can_start_does(
    submitted: list[Job], limits: dict[str, Ceiling]
) -> None:
    submitted.sort(key=lambda job: job.at)
    starts = Host(limits).live_through(submitted, until=100_000)
    for n, job in enumerate(submitted):
        ceiling = limits.get(job.project, Ceiling())
        can = HOST.covers(job.asks) and not ceiling.holds_back(job.asks, holds=NOTHING, live=0)
        assert (n in starts) == can


@given(jobs)
def test_a_project_alone_is_not_delayed_by_the_rules_for_many(submitted: list[Job]) -> None:
    mine = sorted((Job("a", job.at, job.asks, job.lasts) for job in submitted), key=lambda job: job.at)
    waiting = [Waiting(f"{n:06}", job.asks, job.lasts) for n, job in enumerate(mine)]
    turn = in_turn([Line("a", waiting)], HOST, {"a": 10_000.0}, most=64)
    assert choose(turn, [], HOST) == choose(waiting, [], HOST)


def test_backlogs_of_unlike_runs_share_the_host_evenly() -> None:
    shapes = {"few": (1000, 500, 300.0), "many": (500, 100, 20.0), "memory": (100, 1000, 60.0)}
    backlog = [
        Job(project, 0.0, Resources(cpu, memory), lasts)
        for project, (cpu, memory, lasts) in shapes.items()
        for _ in range(400)
    ]
    host = Host()
    until = 1500.0
    starts = host.live_through(backlog, until=until)
    used = Counter[str]()
    for n, start in starts.items():
        job = backlog[n]
        part = max(job.asks.cpu_milli / HOST.cpu_milli, job.asks.memory_bytes / HOST.memory_bytes)
        used[job.project] += int(part * (min(until, start + job.lasts) - start))
    assert set(used) == set(shapes)
    assert min(used.values()) >= 0.3 * until, used


@pytest.mark.parametrize("patient", [True, False], ids=["patience has an end", "no end of patience"])
def test_a_big_run_of_a_project_that_holds_something_is_not_passed_for_ever(
    patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three others come and go, together leave no room for it, and each holds less than its own project."""
    until = 3000
    if not patient:
        monkeypatch.setattr(fairness, "PATIENCE_S", float("inf"))
    others = [
        Job(project, at + 7 * n, Resources(600, 1), 65.0)
        for n, project in enumerate("xyz")
        for at in range(0, until, 70)
    ]
    own, large = Job("own", 0, Resources(1000, 1), 5000.0), Job("own", 50, Resources(3000, 1), 60.0)
    coming = sorted([own, *others, large], key=lambda job: job.at)
    starts = Host().live_through(coming, until=until)
    number = coming.index(large)
    assert (number in starts) == patient
    if patient:
        assert starts[number] <= large.at + 2 * PATIENCE_S
