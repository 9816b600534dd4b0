"""An Engine that answers, but not to some calls: noticed, said, waited for, and nobody's run pays for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from runsd_sdk.host import EngineState
from runsd_sdk.run import Phase, Reason, Status

from tests.daemon.harness import ENDED_S, GATE, Daemon, container_name, eventually
from tests.faults.conftest import ServeProxied
from tests.faults.proxy import Proxy

# The bound on how long it goes unnoticed: what is configured, and a round of questions (5 s).
STUCK_AFTER_S = 2
NOTICED_S = 60.0
QUICK_S = 5.0
SLEEPER = GATE + "echo done"


@pytest.fixture(scope="module")
def stage(serve_proxied: ServeProxied) -> Iterator[tuple[Daemon, Proxy]]:
    with serve_proxied(RUNSD_ENGINE__UNRESPONSIVE_SECONDS=str(STUCK_AFTER_S)) as stage:
        yield stage


@pytest.mark.parametrize("kind", ["create", "start"])
def test_starts_that_are_never_answered_stop_admission_and_nothing_else(
    stage: tuple[Daemon, Proxy], kind: str
) -> None:
    daemon, proxy = stage
    running = daemon.submit("sh", "-c", SLEEPER)
    daemon.until(running.id, "run.running")
    with proxy.hold(kind) as hold:
        held = daemon.submit("echo", "late")
        hold.await_held()
        assert eventually(lambda: state(daemon) is EngineState.STUCK, within_s=NOTICED_S)
        waiting = daemon.submit("echo", "later")
        with promptly():
            health = daemon.client.health()
            why = daemon.client.why(waiting.id)
            metrics = daemon.http.get("/metrics").text
            assert daemon.client.cancel(daemon.submit("true").id).reason is Reason.CANCELLED
        assert (health.status, health.admitting) == ("degraded", False)
        assert f"container {kind}" in str(health.engine.message)
        assert "restart it" in str(health.engine.message)
        assert "runsd_engine_stuck 1.0" in metrics
        assert "stuck" in why.details[0]
        assert why.next_step is not None
        assert waiting.refresh().phase is Phase.QUEUED
        daemon.open_gate(running.id)
        assert running.wait(ENDED_S).stdout == "done\n"
    assert [held.wait(ENDED_S).stdout, waiting.wait(ENDED_S).stdout] == ["late\n", "later\n"]
    assert state(daemon) is EngineState.ANSWERING
    assert [line for line in daemon.logged() if line["event"] == "engine.stuck"]
    assert once(daemon, proxy, held.id)


def test_a_start_whose_answer_is_lost_is_believed_when_it_is_seen(stage: tuple[Daemon, Proxy]) -> None:
    daemon, proxy = stage
    with proxy.hold("start", forwarded=True) as hold:
        handle = daemon.submit("echo", "seen")
        hold.await_held()
        result = handle.wait(ENDED_S)
        assert (result.status, result.stdout) == (Status.SUCCEEDED, "seen\n")


def test_a_run_that_waits_for_its_turn_behind_a_stuck_start_can_be_cancelled(
    stage: tuple[Daemon, Proxy],
) -> None:
    daemon, proxy = stage
    with proxy.hold("start") as hold:
        handles = [daemon.submit("true", resources={"requests": {"cpu": "100m"}}) for _ in range(6)]
        hold.await_held(4)  # as many as are started at once on two cores before more is known
        label = {"label": f"io.runsd.instance={daemon.instance}"}
        made = {name for found in daemon.eye.containers(all=True, filters=label) for name in found["Names"]}
        ours = {f"/{container_name(handle.id)}" for handle in handles}
        assert len(made & ours) <= 4  # those that wait have none yet; a sandbox may be among the starts
        for handle in handles:
            handle.cancel()
        assert eventually(lambda: sum(h.refresh().status is Status.CANCELLED for h in handles) >= 2)
    assert {handle.wait(ENDED_S).status for handle in handles} == {Status.CANCELLED}


@pytest.mark.parametrize("forwarded", [False, True], ids=["lost", "done"])
def test_a_cancel_whose_kill_is_never_answered_is_kept_and_carried_out(
    stage: tuple[Daemon, Proxy], forwarded: bool
) -> None:
    daemon, proxy = stage
    handle = daemon.submit("sleep", "600", stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    with proxy.hold("kill", forwarded=forwarded) as hold:
        handle.cancel()
        hold.await_held()
        if not forwarded:
            assert eventually(lambda: state(daemon) is EngineState.STUCK, within_s=NOTICED_S)
            assert handle.refresh().phase is Phase.STOPPING
    assert handle.wait(ENDED_S).status is Status.CANCELLED


def test_a_removal_that_is_never_answered_keeps_nobody_from_the_result(stage: tuple[Daemon, Proxy]) -> None:
    daemon, proxy = stage
    with proxy.hold("remove") as hold:
        result = daemon.run("echo", "told")
        hold.await_held()
        assert (result.status, result.stdout) == (Status.SUCCEEDED, "told\n")
        assert daemon.client.info().live == 0
        assert eventually(lambda: state(daemon) is EngineState.STUCK, within_s=NOTICED_S)
    assert eventually(lambda: state(daemon) is EngineState.ANSWERING, within_s=NOTICED_S)


def state(daemon: Daemon) -> EngineState:
    return daemon.client.health().engine.state


def once(daemon: Daemon, proxy: Proxy, run_id: str) -> bool:
    """Say whether a run had one container, started once at most."""
    proxy.sweep(f"io.runsd.instance={daemon.instance}")
    seen = [found for name, found in proxy.witness.containers.items() if run_id.removeprefix("run_") in name]
    return len(seen) == 1 and all(proxy.witness.starts[id] <= 1 for found in seen for id in found)


@contextmanager
def promptly() -> Iterator[None]:
    """Take no longer than a person waits gladly."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < QUICK_S
