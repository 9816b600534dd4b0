"""The queue and the live attempts as the supervising loops see them."""

import pytest
from runsd_sdk.run import Phase, Queue, Reason, Status
from runsd_sdk.spec import Requests, Resources, Retries

from runsd import admission
from runsd.admission import Holding
from runsd.store.attempts import Place, Work
from tests.store.desk import BEGAN, FAILURE, PROJECT, SECOND, Desk

ROOM = admission.Resources(64_000, 2**40, 8)
SMALL = Resources(requests=Requests(cpu="250m", memory="64Mi"))


async def in_line(desk: Desk, limit: int = 100) -> list[str]:
    queues = await desk.attempts.waiting(limit, within=ROOM)
    return [waiting.id for waiting in queues.get(PROJECT, ())]


async def test_the_queue_is_in_order_of_priority_then_age(desk: Desk) -> None:
    low, first, second, high = [(await desk.submit(priority=p)).id for p in (-5, 0, 0, 5)]
    assert await in_line(desk) == [high, first, second, low]
    assert await in_line(desk, 2) == [high, first]
    places = [await desk.attempts.place(id) for id in (high, first, second, low)]
    assert [place.ahead for place in places] == [0, 1, 2, 3]
    assert await desk.attempts.queued() == 4


async def test_a_waiting_run_says_what_it_asks_for_and_how_long_it_may_last(desk: Desk) -> None:
    await desk.submit(resources=SMALL, timeout_seconds=60, stop_grace_seconds=2.5)
    (waiting,) = (await desk.attempts.waiting(1, within=ROOM))[PROJECT]
    assert waiting.asks == admission.Resources(250, 64 * 2**20, 0)
    assert waiting.longest_s == 62.5


async def test_a_run_that_does_not_fit_into_the_host_takes_nobodys_place_in_line(desk: Desk) -> None:
    await desk.submit(resources=Resources(requests=Requests(cpu="2")), priority=9)
    await desk.submit(resources=Resources(requests=Requests(memory="2Gi")), priority=9)
    await desk.submit(resources=Resources(requests=Requests(gpu="1")), priority=9)
    fits = await desk.submit()
    waiting = await desk.attempts.waiting(1, within=admission.Resources(1000, 2**30, 0))
    assert [one.id for one in waiting[PROJECT]] == [fits.id]


async def test_a_live_run_holds_what_it_asked_for_until_it_is_over(desk: Desk) -> None:
    work = await desk.admitted(resources=SMALL)
    assert await in_line(desk) == []
    (held,) = await desk.attempts.holding()
    assert held.holds == admission.Resources(250, 64 * 2**20, 0)
    await desk.runs.cancel(PROJECT, work.id)
    assert len(await desk.attempts.holding()) == 1  # until its container is known to be gone
    work = await desk.work(work.id)
    assert await desk.attempts.finish(work, desk.ended(await started(desk, work.id)))
    assert await desk.attempts.holding() == []


async def test_those_on_their_way_to_a_start_are_counted(desk: Desk) -> None:
    fresh, pulling, made, elsewhere, running = [await desk.admitted() for _ in range(5)]
    await desk.attempts.pulling(pulling)
    await desk.attempts.created(made, "made", engine="this")
    await desk.attempts.created(elsewhere, "elsewhere", engine="another")
    await started(desk, running.id)
    assert await desk.attempts.starting(engine="this") == 2
    await desk.attempts.ready(pulling, image_id="sha256:1", image_digest=None)
    assert await desk.attempts.starting(engine="this") == 3
    await started(desk, fresh.id)
    assert await desk.attempts.starting(engine="this") == 2


async def started(desk: Desk, id: str) -> Work:
    await desk.attempts.started(await desk.work(id), desk.hands.now(), **BEGAN)
    return await desk.work(id)


async def ends_in_s(desk: Desk) -> float:
    (held,) = await desk.attempts.holding()
    assert isinstance(held, Holding)
    return held.ends_in_s


async def test_how_long_a_live_run_holds_at_most(desk: Desk) -> None:
    work = await desk.admitted(timeout_seconds=60, stop_grace_seconds=5)
    desk.hands.forward(1000)
    assert await ends_in_s(desk) == 65  # it has not started: all of its time is ahead
    await started(desk, work.id)
    desk.hands.forward(20)
    assert await ends_in_s(desk) == pytest.approx(45, abs=0.001)
    await desk.runs.extend(PROJECT, work.id, 120)
    assert await ends_in_s(desk) == pytest.approx(105, abs=0.001)
    await desk.runs.cancel(PROJECT, work.id)
    desk.hands.forward(1)
    assert await ends_in_s(desk) == pytest.approx(4, abs=0.001)
    desk.hands.forward(1000)
    assert await ends_in_s(desk) == 0


async def test_a_run_is_admitted_once(desk: Desk) -> None:
    run = await desk.submit()
    assert [await desk.attempts.admit(run.id) for _ in range(2)] == [True, False]
    assert await desk.attempts.live() == [run.id]
    assert (await desk.get(run.id)).attempt == 1
    assert not await desk.attempts.admit("run_none")


async def test_a_container_is_recorded_once_and_never_replaced(desk: Desk) -> None:
    work = await desk.admitted()
    for container in ("a" * 64, "b" * 64):
        await desk.attempts.created(work, container, engine=None)
    assert (await desk.work(work.id)).container_id == "a" * 64


async def test_who_is_live_with_which_attempt(desk: Desk) -> None:
    queued, over = await desk.submit(), await desk.finished()
    live = await desk.admitted()
    known = await desk.attempts.current([queued.id, over.id, live.id, "run_none"])
    assert known == {queued.id: 0, over.id: 0, live.id: 1}
    assert await desk.attempts.work(queued.id) is None
    assert await desk.attempts.work("run_none") is None


async def test_nobody_is_ahead_of_one_that_has_left_the_queue(desk: Desk) -> None:
    await desk.submit()
    live = await desk.admitted()
    assert await desk.attempts.place(live.id) == Place(0, None)


# Time to live


async def test_a_run_expires_when_its_time_in_the_queue_is_up(desk: Desk) -> None:
    short, long = await desk.submit(queue_ttl_seconds=10), await desk.submit(queue_ttl_seconds=20)
    forever = await desk.submit()
    assert await desk.attempts.expire() == []
    desk.hands.forward(10)
    assert await desk.attempts.expire() == [short.id]
    run = await desk.get(short.id)
    assert (run.status, run.reason, run.phase) == (Status.FAILED, Reason.QUEUE_EXPIRED, Phase.FINISHED)
    assert "queueTtlSeconds" in str(run.message)
    assert await desk.told(short.id) == ["run.submitted", "run.finished"]
    desk.hands.forward(10)
    assert await desk.attempts.expire() == [long.id]
    desk.hands.forward(10**7)
    assert await desk.attempts.expire() == []
    assert (await desk.get(forever.id)).phase is Phase.QUEUED


async def test_very_many_runs_expire_a_few_hundred_at_a_time(desk: Desk) -> None:
    runs = await desk.submit_all(*[{"queue_ttl_seconds": 10}] * 501)
    desk.hands.forward(10)
    expired = await desk.attempts.expire()
    assert 100 <= len(expired) < len(runs)
    while more := await desk.attempts.expire():
        expired += more
    assert sorted(expired) == [run.id for run in runs]
    assert await desk.attempts.next_timer() is None


async def test_a_run_that_was_admitted_in_time_does_not_expire_in_its_next_attempt(desk: Desk) -> None:
    work = await desk.running(queue_ttl_seconds=10, retries=Retries(limit=1))
    desk.hands.forward(100)
    assert await desk.attempts.expire() == []
    later = desk.hands.us + 100 * SECOND
    assert await desk.attempts.retry(work, desk.ended(work, outcome=FAILURE), not_before_us=later)
    assert await desk.attempts.expire() == []


# Backoff


async def test_a_run_in_its_backoff_is_not_in_line_until_it_is_over(desk: Desk) -> None:
    work = await desk.running(retries=Retries(limit=1))
    not_before = desk.hands.us + 8 * SECOND
    assert await desk.attempts.retry(work, desk.ended(work, outcome=FAILURE), not_before_us=not_before)
    run = await desk.get(work.id)
    assert (run.status, run.phase, run.reason, run.attempt) == (Status.PENDING, Phase.QUEUED, None, 1)
    assert (run.started_at, run.deadline_at) == (None, None)
    assert await desk.told(work.id) == ["run.submitted", "run.admitted", "run.running", "run.retrying"]
    assert await in_line(desk) == []
    assert (await desk.attempts.place(work.id)).not_before_us == not_before
    desk.hands.forward(8)
    assert await in_line(desk) == [work.id]
    assert (await desk.admit(work.id)).attempt == 2


async def test_the_next_timer_is_whichever_comes_first(desk: Desk) -> None:
    assert await desk.attempts.next_timer() is None
    await desk.submit()
    assert await desk.attempts.next_timer() is None
    expiring = await desk.submit(queue_ttl_seconds=100)
    expires = await desk.attempts.next_timer()
    assert expires is not None
    work = await desk.running(retries=Retries(limit=1))
    backoff_ends = expires - 50 * SECOND
    assert await desk.attempts.retry(work, desk.ended(work, outcome=FAILURE), not_before_us=backoff_ends)
    assert await desk.attempts.next_timer() == backoff_ends
    desk.hands.us = backoff_ends
    assert await desk.attempts.next_timer() == expires
    await desk.runs.cancel(PROJECT, expiring.id)
    assert await desk.attempts.next_timer() is None


# Events


async def test_a_life_is_told_in_order_and_read_by_page(desk: Desk) -> None:
    work = await desk.admitted()
    await desk.attempts.pulling(work)
    await desk.attempts.pull_progress(work, 10, 100)
    await desk.attempts.ready(work, image_id="sha256:1", image_digest="alpine@sha256:2")
    work = await started(desk, work.id)
    await desk.attempts.stop(work, Reason.DEADLINE_EXCEEDED)
    await desk.attempts.finish(work, desk.ended(work))
    told = await desk.events.after(PROJECT, 0)
    assert [event.type.removeprefix("run.") for event in told] == [
        "submitted", "admitted", "pulling", "pull_progress", "image_ready", "running", "stopping", "finished",
    ]  # fmt: skip
    assert [event.id for event in told] == sorted(event.id for event in told)
    assert told[3].data == {"doneBytes": 10, "totalBytes": 100}
    assert told[-1].data["reason"] == "exited"
    assert await desk.events.after(PROJECT, told[2].id, limit=2) == told[3:5]
    assert await desk.events.after("other", 0) == []
    assert await desk.events.last_id() == told[-1].id
    image = (await desk.get(work.id)).image
    assert (image.reference, image.id, image.digest) == ("alpine", "sha256:1", "alpine@sha256:2")


async def test_events_of_one_run_are_its_own(desk: Desk) -> None:
    one, other = await desk.submit(), await desk.submit()
    assert [event.run_id for event in await desk.events.after(PROJECT, 0, run_id=other.id)] == [other.id]
    assert len(await desk.events.after(PROJECT, 0)) == 2
    assert await desk.events.after(PROJECT, 0, run_id="run_none") == []
    assert one.id != other.id


async def test_the_queue_is_listed_in_the_order_of_claim_however_much_of_it_is_newer(desk: Desk) -> None:
    running = await desk.running()
    starting = await desk.admitted()
    first, *_ = await desk.submit_all(*({} for _ in range(120)))
    urgent = await desk.submit(priority=5)
    queue = await desk.runs.queue(PROJECT, limit=2)
    assert [run.id for run in queue.running] == [running.id, starting.id]
    assert [run.id for run in queue.waiting] == [urgent.id, first.id]
    assert (queue.live, queue.queued) == (2, 121)
    assert [run.id for run in (await desk.runs.queue(PROJECT, limit=1000)).waiting] == await in_line(
        desk, 1000
    )
    assert await desk.runs.queue("another", limit=2) == Queue(running=[], waiting=[], live=0, queued=0)


async def test_names_are_of_the_projects_own_runs(desk: Desk) -> None:
    named, nameless = [(await desk.submit(name=name)).id for name in ("one", None)]
    gone = await desk.finished()
    await desk.runs.forget(PROJECT, gone.id)
    assert await desk.runs.names(PROJECT, [named, nameless, gone.id]) == {named: "one", nameless: None}
    assert await desk.runs.names("another", [named]) == {}
