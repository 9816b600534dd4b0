"""The state machine as SQL is the state machine of ``runsd.run``: every phase, every input."""

import sqlite3
from collections.abc import Awaitable, Callable

import pytest
from runsd_sdk.run import Phase, Reason, Status
from runsd_sdk.spec import Retries

from runsd.faults import Step
from runsd.run import NEXT, Input, phase_status
from runsd.store.attempts import Work
from runsd.store.ended import Ended
from tests.store.desk import BEGAN, FAILURE, PROJECT, SECOND, Desk

STEP = Step.CHANGE  # whichever


async def queued(desk: Desk) -> str:
    return (await desk.submit(queue_ttl_seconds=60)).id


async def starting(desk: Desk) -> str:
    return (await desk.admitted()).id


async def pulling(desk: Desk) -> str:
    work = await desk.admitted()
    assert await desk.attempts.pulling(work)
    return work.id


async def preparing(desk: Desk) -> str:
    work = await desk.admitted()
    assert await desk.attempts.preparing(work)
    return work.id


async def running(desk: Desk) -> str:
    return (await desk.running()).id


async def stopping(desk: Desk) -> str:
    work = await desk.running()
    assert await desk.attempts.stop(work, Reason.DEADLINE_EXCEEDED)
    return work.id


async def stopping_while_starting(desk: Desk) -> str:
    work = await desk.admitted()
    assert await desk.attempts.stop(work, Reason.DEADLINE_EXCEEDED)
    return work.id


async def stopping_while_pulling(desk: Desk) -> str:
    id = await pulling(desk)
    assert await desk.attempts.stop(await desk.work(id), Reason.DEADLINE_EXCEEDED)
    return id


async def finished(desk: Desk) -> str:
    return (await desk.finished()).id


WAYS: dict[Phase, list[Callable[[Desk], Awaitable[str]]]] = {
    Phase.QUEUED: [queued],
    Phase.PULLING: [pulling],
    Phase.PREPARING: [preparing],
    Phase.STARTING: [starting],
    Phase.RUNNING: [running],
    Phase.STOPPING: [stopping, stopping_while_starting, stopping_while_pulling],
    Phase.FINISHED: [finished],
}
REACHED = [
    pytest.param(phase, way, input, id=f"{way.__name__}-{input}")
    for phase, ways in WAYS.items()
    for way in ways
    for input in Input
]


def test_every_phase_is_tried() -> None:
    assert WAYS.keys() == set(Phase)


@pytest.mark.parametrize(("phase", "way", "input"), REACHED)
async def test_an_edge_leads_where_the_table_says_or_changes_nothing(
    phase: Phase, way: Callable[[Desk], Awaitable[str]], input: Input, desk: Desk
) -> None:
    id = await way(desk)
    assert (await desk.get(id)).phase is phase
    before = await desk.everything()
    moved = await EDGES[input](desk, await last_known(desk, id))
    run = await desk.get(id)
    if input in NEXT[phase]:
        assert run.phase is NEXT[phase][input]
    else:
        assert not moved
        assert run.phase is phase
    assert (await desk.everything() != before) == bool(moved)
    assert run.status.terminal or run.status is phase_status(run.phase, started=run.started_at is not None)


@pytest.mark.parametrize(("phase", "way", "input"), REACHED)
async def test_an_edge_that_is_taken_tells_one_event(
    phase: Phase, way: Callable[[Desk], Awaitable[str]], input: Input, desk: Desk
) -> None:
    id = await way(desk)
    before = await desk.told(id)
    moved = await EDGES[input](desk, await last_known(desk, id))
    assert len(await desk.told(id)) == len(before) + bool(moved)


async def last_known(desk: Desk, id: str) -> Work:
    """Return the attempt as a supervisor knows it, who may have looked before the run came to where it is."""
    run = await desk.get(id)
    started_us = desk.hands.now()
    return await desk.attempts.work(id) or Work(
        id=id,
        project=PROJECT,
        attempt=max(1, run.attempt),
        spec=run.spec,
        created_us=started_us,
        image_id=None,
        container_id="c" * 64,
        started_us=started_us,
        cancelled=False,
        engine=None,
        boot=None,
        began_us=None,
        stop_us=None,
        stop_reason=None,
        source_commit=None,
    )


async def admit(desk: Desk, work: Work) -> object:
    return await desk.attempts.admit(work.id)


async def pull(desk: Desk, work: Work) -> object:
    return await desk.attempts.pulling(work)


async def prepare(desk: Desk, work: Work) -> object:
    return await desk.attempts.preparing(work)


async def ready(desk: Desk, work: Work) -> object:
    return await desk.attempts.ready(work, image_id="sha256:1", image_digest=None)


async def started(desk: Desk, work: Work) -> object:
    return await desk.attempts.started(work, desk.hands.now(), **BEGAN)


async def stop(desk: Desk, work: Work) -> object:
    """Ask a run to end: the supervisor at the deadline, or its owner while it is queued."""
    if (await desk.get(work.id)).phase is not Phase.QUEUED:
        return await desk.attempts.stop(work, Reason.DEADLINE_EXCEEDED)
    return (await desk.runs.cancel(PROJECT, work.id)).phase is Phase.FINISHED


async def finish(desk: Desk, work: Work) -> object:
    return await desk.attempts.finish(work, over(desk))


async def retry(desk: Desk, work: Work) -> object:
    return await desk.attempts.retry(work, over(desk), not_before_us=desk.hands.us)


async def expire(desk: Desk, _: Work) -> object:
    desk.hands.forward(3600)
    return await desk.attempts.expire()


def over(desk: Desk) -> Ended:
    return Ended(FAILURE, desk.hands.us, desk.hands.us + SECOND)


EDGES: dict[Input, Callable[[Desk, Work], Awaitable[object]]] = {
    Input.ADMIT: admit,
    Input.PULL: pull,
    Input.PREPARE: prepare,
    Input.READY: ready,
    Input.STARTED: started,
    Input.STOP: stop,
    Input.FINISH: finish,
    Input.RETRY: retry,
    Input.EXPIRE: expire,
}


def test_every_input_has_its_edge() -> None:
    assert EDGES.keys() == set(Input)


@pytest.mark.parametrize("phase", Phase)
async def test_a_cancel_ends_the_queued_asks_the_live_and_leaves_the_rest(phase: Phase, desk: Desk) -> None:
    id = await WAYS[phase][0](desk)
    before = await desk.get(id)
    run = await desk.runs.cancel(PROJECT, id)
    assert run == await desk.get(id)
    match phase:
        case Phase.QUEUED:
            assert (run.phase, run.status, run.reason) == (Phase.FINISHED, Status.CANCELLED, Reason.CANCELLED)
        case Phase.FINISHED:
            assert run == before
        case _:
            assert run.phase is Phase.STOPPING
            assert (await desk.work(id)).cancelled
    told = await desk.told(id)
    assert await desk.runs.cancel(PROJECT, id) == run  # the second asks for nothing new
    assert await desk.told(id) == told


async def test_a_cancel_after_the_deadline_keeps_the_deadline_as_the_reason(desk: Desk) -> None:
    id = await stopping(desk)
    await desk.runs.cancel(PROJECT, id)
    work = await desk.work(id)
    assert (work.stop_reason, work.cancelled) == (Reason.DEADLINE_EXCEEDED, True)


async def test_a_cancelled_run_is_not_tried_again(desk: Desk) -> None:
    work = await desk.running()
    await desk.runs.cancel(PROJECT, work.id)
    before = await desk.everything()
    assert not await desk.attempts.retry(work, over(desk), not_before_us=0)
    assert await desk.everything() == before


@pytest.mark.parametrize("input", [Input.PULL, Input.READY, Input.STOP, Input.FINISH, Input.RETRY])
async def test_who_knows_only_a_former_attempt_moves_nothing(input: Input, desk: Desk) -> None:
    former = await desk.running(retries=Retries(limit=1))
    assert await desk.attempts.retry(former, over(desk), not_before_us=0)
    await desk.admit(former.id)
    before = await desk.everything()
    assert not await EDGES[input](desk, former)
    assert await desk.everything() == before


async def test_the_schema_refuses_a_state_that_cannot_be(desk: Desk) -> None:
    id = await running(desk)
    for change in (
        "status = 'succeeded'",
        "phase = 'finished'",
        "phase = 'stopping'",
        "status = 'running', started_us = null",
        "stop_us = 1",
        "status = 'succeeded', phase = 'finished', reason = 'exited', finished_us = 1, exit_code = 3",
        "attempt = 'two'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            await desk.db.write(lambda db, change=change: db.execute(f"update runs set {change}"), STEP)  # type: ignore[misc]
    assert (await desk.get(id)).phase is Phase.RUNNING
