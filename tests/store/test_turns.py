"""Turns over a real queue: who has waited, and who only has the id of one that did."""

import asyncio
import random

import pytest
from runsd_sdk.project import ProjectLimits
from runsd_sdk.run import Run
from runsd_sdk.spec import Requests, Resources, RunSpec

from runsd import admission
from runsd.config import BillingSettings
from runsd.fairness import PATIENCE_S
from runsd.store.projects import Change, Projects
from runsd.store.runs import Submission
from runsd.supervise.turns import Turns
from tests.store.desk import BEGAN, FAILURE, PROJECT, Desk

HOST = admission.Resources(4000, 2**40)


async def test_a_retry_has_not_waited_since_its_first_attempt_did(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = await Projects.load(desk.db, clock=desk.hands.now)
    await projects.create("team", [])
    turns = Turns(desk.attempts, projects, capacity=HOST, prices=BillingSettings(), clock=desk.hands.now)
    holder, again = [await submitted(desk, "team") for _ in range(2)]
    await desk.admit(holder.id)
    assert await order(turns) == [again.id]
    work = await desk.admit(again.id)
    await desk.attempts.created(work, "c" * 64, engine="E in /root")
    await desk.attempts.started(work, desk.hands.now(), **BEGAN)
    assert await order(turns) == []
    loop = asyncio.get_running_loop()
    began_s, real = loop.time(), loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + PATIENCE_S)
    assert loop.time() >= began_s + PATIENCE_S
    work = await desk.work(again.id)
    assert await desk.attempts.retry(work, desk.ended(work, outcome=FAILURE), not_before_us=desk.hands.us)
    other = await submitted(desk, PROJECT)
    assert await order(turns) == [other.id, again.id]  # team holds something, the other nothing


async def test_those_whose_ceiling_was_lowered_hide_nobody_however_many_they_are(desk: Desk) -> None:
    projects = await Projects.load(desk.db, clock=desk.hands.now)
    turns = Turns(desk.attempts, projects, capacity=HOST, prices=BillingSettings(), clock=desk.hands.now)
    await desk.submit_all(*[{"resources": {"requests": {"cpu": "2"}}}] * 70)
    small = await desk.submit()
    await projects.change(PROJECT, Change(limits=ProjectLimits(cpu="1")))
    assert await order(turns) == [small.id]


async def test_of_many_lines_the_beginnings_tell_the_same_order_as_all_that_waits(desk: Desk) -> None:
    projects = await Projects.load(desk.db, clock=desk.hands.now)
    chance = random.Random(7)
    shapes = [RunSpec(image="alpine", resources=requests(cpu)) for cpu in ("10m", "300m", "2")]
    for n in range(40):
        limits = ProjectLimits(runs=chance.choice([None, 0, 1, 5]), cpu=chance.choice([None, "1"]))
        await projects.create(f"p{n:02}", [])
        waiting = [chance.choice(shapes) for _ in range(chance.choice([1, 2, 3, 70]))]
        for run in (await desk.runs.submit(Submission(f"p{n:02}", waiting))).runs[: chance.choice([0, 0, 1])]:
            await desk.admit(run.id)
        await projects.change(f"p{n:02}", Change(limits=limits))
    # One that holds least for long: more of it is taken than was read at first.
    await projects.create("small", [])
    await desk.runs.submit(Submission("small", [shapes[0]] * 70))
    every = Turns(desk.attempts, projects, capacity=HOST, prices=BillingSettings(), clock=desk.hands.now)
    begun = Turns(desk.attempts, projects, capacity=HOST, prices=BillingSettings(), clock=desk.hands.now)
    await begun.waiting(64)
    for _ in range(8):
        whole = await order(every)
        assert len(whole) == 64 and await order(begun) == whole
        every = Turns(desk.attempts, projects, capacity=HOST, prices=BillingSettings(), clock=desk.hands.now)
        for id in chance.sample(whole, 5):
            await desk.admit(id)


def requests(cpu: str) -> Resources:
    return Resources(requests=Requests(cpu=cpu))


async def order(turns: Turns) -> list[str]:
    """Return who may start, in order of claim."""
    waiting, _ = await turns.waiting(64)
    return [run.id for run in waiting]


async def submitted(desk: Desk, project: str) -> Run:
    return (await desk.runs.submit(Submission(project, [RunSpec(image="alpine")]))).runs[0]
