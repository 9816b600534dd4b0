"""Cancelling a run at every point of its life, also by two at once and when it is about to end."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from runsd_sdk import Conflict, NotFound, RunHandle, RunResult, RunsClient
from runsd_sdk.run import Phase, Reason, Status

from tests.daemon.harness import Daemon, container_name, first_line

OBEYS_TERM = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """The address of something that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "{}:{}".format(*server.getsockname())


def test_cancel_while_queued_ends_the_run_at_once(daemon: Daemon) -> None:
    blocker = daemon.submit("sleep", "60", resources={"requests": {"memory": "2Gi"}})
    daemon.until(blocker.id, "run.running")
    queued = daemon.submit("true")
    before = counted_cancels(daemon)
    run = queued.cancel()
    assert (run.status, run.phase, run.reason) == (Status.CANCELLED, Phase.FINISHED, Reason.CANCELLED)
    assert (run.attempt, run.started_at, run.usage.cost_usd) == (0, None, "0")
    queued.cancel()
    assert counted_cancels(daemon) == before + 1
    blocker.cancel()
    assert cancelled(blocker).started_at is not None


def test_whoever_waits_for_a_queued_run_hears_of_its_cancel(daemon: Daemon) -> None:
    blocker = daemon.submit("sleep", "60", resources={"requests": {"memory": "2Gi"}})
    daemon.until(blocker.id, "run.running")
    queued = daemon.submit("true")
    with socket.socket(socket.AF_UNIX) as waiter:
        waiter.connect(str(daemon.socket))
        waiter.sendall(f"GET /v1/runs/{queued.id}/wait HTTP/1.1\r\nHost: runsd\r\n\r\n".encode())
        assert queued.refresh().phase is Phase.QUEUED  # asked behind the waiter
        queued.cancel()
        waiter.settimeout(30)  # it would be told after 55 s at the latest
        assert waiter.recv(1024).startswith(b"HTTP/1.1 200")
    blocker.cancel()
    cancelled(blocker)


def test_cancel_while_pulling_does_not_wait_for_the_registry(daemon: Daemon, silent_registry: str) -> None:
    handle = daemon.submit("true", image=f"{silent_registry}/app:1")
    daemon.until(handle.id, "run.pulling")
    assert handle.refresh().phase is Phase.PULLING
    asked = time.monotonic()
    handle.cancel()
    result = cancelled(handle)
    assert time.monotonic() - asked < 3
    assert (result.started_at, result.exit_code) == (None, None)
    assert "pulled" in str(result.message)


def test_cancel_while_pulling_leaves_the_pull_to_the_others(daemon: Daemon, silent_registry: str) -> None:
    image = f"{silent_registry}/shared:1"
    one, other = (daemon.submit("true", image=image) for _ in range(2))
    for handle in (one, other):
        daemon.until(handle.id, "run.pulling")
    one.cancel()
    cancelled(one)
    assert other.refresh().phase is Phase.PULLING
    other.cancel()
    cancelled(other)


def test_cancel_while_starting_removes_the_container(daemon: Daemon) -> None:
    handles = [daemon.submit("sleep", "60", stop_grace_seconds=0) for _ in range(3)]
    for handle in handles:
        daemon.until(handle.id, "run.image_ready")
        handle.cancel()
    for handle in handles:
        cancelled(handle)
        assert not running(daemon, handle.id)


def test_cancel_while_running_gives_the_process_its_grace(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", OBEYS_TERM, stop_grace_seconds=30)
    assert first_line(handle) == "ready\n"
    daemon.until(handle.id, "run.running")  # output is seen before the Engine has answered the start
    run = handle.cancel()
    assert (run.status, run.phase) == (Status.RUNNING, Phase.STOPPING)
    result = cancelled(handle)
    assert (result.exit_code, result.stdout) == (5, "ready\nbye\n")
    assert result.usage.vcpu_seconds > 0


def test_cancel_while_running_kills_a_process_that_ignores_sigterm(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", IGNORES_TERM, stop_grace_seconds=1)
    assert first_line(handle) == "ready\n"
    asked = time.monotonic()
    handle.cancel()
    result = cancelled(handle)
    assert time.monotonic() - asked >= 1
    assert result.exit_code == 137
    assert not running(daemon, handle.id)


@pytest.mark.timeout(90)
def test_cancel_at_the_instant_of_the_exit_agrees_with_what_the_engine_saw(daemon: Daemon) -> None:
    for n in range(15):
        handle = daemon.submit("sleep", "0.3")
        daemon.until(handle.id, "run.running")
        time.sleep(0.2 + n * 0.01)
        since = time.time() - 60
        handle.cancel()
        result = handle.wait(30)
        events = daemon.engine_events(handle.id, since=since)
        died = next(event for event in events if event["Action"] == "die")
        assert died["Actor"]["Attributes"]["exitCode"] == str(result.exit_code)
        if any(event["Action"] == "kill" for event in events):
            assert (result.status, result.reason) == (Status.CANCELLED, Reason.CANCELLED)
        else:
            assert (result.status, result.exit_code) == (Status.SUCCEEDED, 0)


def test_two_clients_cancelling_at_once_are_both_answered(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", OBEYS_TERM)
    assert first_line(handle) == "ready\n"
    both = threading.Barrier(2)
    answers = []

    def cancel() -> None:
        with RunsClient(f"unix://{daemon.socket}") as client:
            client.health()
            both.wait(10)
            answers.append(client.cancel(handle.id))

    threads = [threading.Thread(target=cancel) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 2
    assert cancelled(handle).stdout == "ready\nbye\n"
    stops = [event for event in daemon.client.events(handle.id) if event.type == "run.stopping"]
    assert len(stops) == 1


def test_the_result_of_an_ended_run_never_changes(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "echo out; exit 4")
    assert daemon.client.cancel(result.id).wire() == daemon.client.get(result.id).wire()
    with pytest.raises(Conflict, match="finished"):
        daemon.client.extend(result.id, 600)
    daemon.restart()
    assert daemon.client.result(result.id) == result


def test_cancelling_what_is_not_there_is_said(daemon: Daemon) -> None:
    with pytest.raises(NotFound):
        daemon.client.cancel("run_00000000000000000000000000")


def cancelled(handle: RunHandle) -> RunResult:
    result = handle.wait(30)
    assert (result.status, result.reason) == (Status.CANCELLED, Reason.CANCELLED)
    return result


def running(daemon: Daemon, run_id: str) -> bool:
    names = daemon.eye.containers(filters={"name": container_name(run_id), "status": "running"})
    return bool(names)


def counted_cancels(daemon: Daemon) -> float:
    """Return how many cancelled runs the daemon's own figures tell of."""
    families = text_string_to_metric_families(daemon.http.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    found = (
        s for s in samples if s.name == "runsd_runs_finished_total" and s.labels["status"] == "cancelled"
    )
    return sum(sample.value for sample in found)
