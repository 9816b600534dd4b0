"""The daemon dies, is stopped, or is away; runs go on, and what is told of them afterwards is the truth."""

import signal
import socket
import time
from collections.abc import Iterator

import pytest
from runsd_sdk import RunResult
from runsd_sdk.run import Phase, Reason, Status

from tests import leaks
from tests.daemon.harness import Daemon, container_name, engine_instant, eventually, first_line

COUNTS = "i=1; while [ $i -le 40 ]; do echo line $i; sleep 0.05; i=$((i+1)); done; exit 6"
COUNTED = "".join(f"line {i}\n" for i in range(1, 41))
ENDS_SOON = "echo before; until [ -e /gate ]; do sleep 0.02; done; seq 5000; echo last >&2; exit 9"


@pytest.fixture
def daemon(daemon: Daemon) -> Iterator[Daemon]:
    """The module's daemon, up again whatever a failed test did to it."""
    yield daemon
    daemon.ensure_up()


def test_killed_while_a_run_runs_its_log_and_result_are_whole(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", COUNTS)
    first_line(handle)
    daemon.kill9()
    daemon.start()
    daemon.until(handle.id, "run.running")
    assert handle.refresh().status is Status.RUNNING
    result = handle.wait(30)
    assert (result.status, result.reason, result.exit_code) == (Status.FAILED, Reason.EXITED, 6)
    assert result.stdout == COUNTED
    assert daemon.raw(result.id) == COUNTED.encode()
    bill_is_that_of_the_instants(result)


def test_killed_again_and_again_repeats_and_loses_nothing(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", COUNTS)
    first_line(handle)
    for _ in range(2):
        daemon.kill9()
        daemon.start()
    result = handle.wait(30)
    assert (result.exit_code, result.stdout) == (6, COUNTED)
    assert result.attempt == 1


def test_a_run_that_ended_while_the_daemon_was_dead_has_its_true_result(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", ENDS_SOON)
    assert first_line(handle) == "before\n"
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    daemon.open_gate(handle.id)
    assert daemon.eye.wait(container_name(handle.id), timeout=30)["StatusCode"] == 9
    state = daemon.inspect(handle.id)["State"]
    daemon.start()
    result = handle.wait(30)
    assert (result.status, result.reason, result.exit_code) == (Status.FAILED, Reason.EXITED, 9)
    assert result.started_at == engine_instant(state["StartedAt"])
    assert result.finished_at == engine_instant(state["FinishedAt"])
    assert result.stdout == "before\n" + "".join(f"{i}\n" for i in range(1, 5001))
    assert result.stderr == "last\n"
    bill_is_that_of_the_instants(result)


def test_killed_as_the_result_is_written_changes_nothing_and_leaves_no_container(daemon: Daemon) -> None:
    for code in range(4):
        handle = daemon.submit("sh", "-c", f"echo out; exit {code}")
        daemon.until(handle.id, "run.finished")
        daemon.kill9()  # before the container is removed, or while it is
        daemon.start()
        result = handle.wait(30)
        assert (result.exit_code, result.stdout, result.attempt) == (code, "out\n", 1)
        assert eventually(lambda: not leaks.engine_leftovers(daemon.eye, {daemon.instance}))


def test_killed_at_any_moment_of_a_short_run_it_ends_once_and_truly(daemon: Daemon) -> None:
    for delay_s in (0.0, 0.1, 0.2, 0.3):
        handle = daemon.submit("sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 3")
        time.sleep(delay_s)  # the moment is what is varied
        daemon.kill9()
        daemon.start()
        result = handle.wait(30)
        assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")
        assert (result.status, result.attempt) == (Status.FAILED, 1)


def test_killed_while_runs_are_starting_each_gets_exactly_one_container(daemon: Daemon) -> None:
    since = time.time()
    handles = daemon.client.create_batch([daemon.spec("sh", "-c", f"echo {n}; exit {n}") for n in range(4)])
    daemon.until(handles[0].id, "run.image_ready")
    daemon.kill9()
    daemon.start()
    results = [handle.wait(30) for handle in handles]
    assert [(result.exit_code, result.stdout) for result in results] == [(n, f"{n}\n") for n in range(4)]
    for handle in handles:
        actions = [event["Action"] for event in daemon.engine_events(handle.id, since=since)]
        assert (actions.count("create"), actions.count("start")) == (1, 1)


def test_killed_while_a_run_is_queued_it_is_started_later(daemon: Daemon) -> None:
    blocker = daemon.submit("sleep", "60", resources={"requests": {"memory": "2Gi"}}, stop_grace_seconds=0)
    daemon.until(blocker.id, "run.running")
    queued = daemon.submit("echo", "at last")
    daemon.kill9()
    daemon.start()
    assert queued.refresh().phase is Phase.QUEUED
    blocker.cancel()
    assert queued.wait(30).stdout == "at last\n"
    assert blocker.wait(30).status is Status.CANCELLED


def test_killed_while_pulling_the_pull_is_taken_up_and_can_be_cancelled(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        handle = daemon.submit("true", image="{}:{}/app:1".format(*silent.getsockname()))
        daemon.until(handle.id, "run.pulling")
        daemon.kill9()
        daemon.start()
        assert handle.refresh().phase is Phase.PULLING
        handle.cancel()
        assert handle.wait(30).status is Status.CANCELLED


def test_killed_while_a_run_is_being_stopped_the_stop_is_carried_through(daemon: Daemon) -> None:
    handle = daemon.submit(
        "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done", stop_grace_seconds=2
    )
    first_line(handle)
    daemon.until(handle.id, "run.running")
    handle.cancel()
    daemon.kill9()
    daemon.start()
    result = handle.wait(30)
    assert (result.status, result.reason, result.exit_code) == (Status.CANCELLED, Reason.CANCELLED, 137)


def test_sigterm_leaves_containers_running_and_the_next_daemon_takes_them_up(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", COUNTS)
    first_line(handle)
    assert daemon.terminate() == 0
    state = daemon.inspect(handle.id)["State"]
    assert state["Running"]
    daemon.start()
    result = handle.wait(30)
    assert (result.exit_code, result.stdout) == (6, COUNTED)
    assert result.started_at == engine_instant(state["StartedAt"])


def test_a_stop_is_quick_although_runs_and_followers_are_there(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60", stop_grace_seconds=0)
    daemon.until(handle.id, "run.running")
    with daemon.http.stream("GET", f"/v1/runs/{handle.id}/logs", params={"follow": "true"}):
        asked = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - asked < 5
    daemon.start()
    handle.cancel()
    assert handle.wait(30).status is Status.CANCELLED


def test_a_deadline_that_passed_while_the_daemon_was_dead_is_kept_and_the_rest_not_billed(
    daemon: Daemon,
) -> None:
    handle = daemon.submit("sleep", "60", timeout_seconds=1, stop_grace_seconds=0.5)
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    started = engine_instant(daemon.inspect(handle.id)["State"]["StartedAt"]).timestamp()
    time.sleep(max(0.0, started + 3 - time.time()))  # only time itself can pass a deadline
    daemon.start()
    result = handle.wait(30)
    assert (result.status, result.reason) == (Status.TIMEOUT, Reason.DEADLINE_EXCEEDED)
    assert result.started_at is not None
    assert result.finished_at is not None
    assert (result.finished_at - result.started_at).total_seconds() > 3
    assert result.usage.duration_seconds == 1.5
    assert result.usage.vcpu_seconds == 0.75


def test_a_run_that_ended_in_time_while_the_daemon_was_dead_is_not_timed_out(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "sleep 0.5; exit 2", timeout_seconds=1)
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    daemon.eye.wait(container_name(handle.id), timeout=30)
    started = engine_instant(daemon.inspect(handle.id)["State"]["StartedAt"]).timestamp()
    time.sleep(max(0.0, started + 1.2 - time.time()))
    daemon.start()
    result = handle.wait(30)
    assert (result.status, result.reason, result.exit_code) == (Status.FAILED, Reason.EXITED, 2)


def test_a_container_removed_while_the_daemon_was_dead_is_lost(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "echo here; sleep 60")
    first_line(handle)
    daemon.until(handle.id, "run.running")
    daemon.kill9()
    daemon.eye.remove_container(container_name(handle.id), force=True)
    daemon.start()
    result = handle.wait(30)
    assert (result.status, result.reason) == (Status.FAILED, Reason.LOST)
    assert (result.stdout, result.usage.cost_usd) == ("here\n", "0")


def test_a_second_daemon_on_the_same_data_says_why_it_does_not_start(daemon: Daemon) -> None:
    second = daemon.serve_again(socket=daemon.directory / "second.sock")
    assert second.returncode == 1
    assert "another runsd holds it" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.client.health().status == "ok"


def test_a_second_daemon_does_not_take_the_socket_of_the_first(daemon: Daemon) -> None:
    second = daemon.serve_again(data_dir=daemon.directory / "second")
    assert second.returncode == 1
    assert str(daemon.socket) in second.stderr
    assert daemon.client.health().status == "ok"


def test_runs_are_left_alone_by_an_interrupt_too(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", COUNTS)
    first_line(handle)
    assert daemon.terminate(signal.SIGINT) == 0
    daemon.start()
    assert handle.wait(30).stdout == COUNTED


def bill_is_that_of_the_instants(result: RunResult) -> None:
    assert result.started_at is not None
    assert result.finished_at is not None
    ran_s = (result.finished_at - result.started_at).total_seconds()
    assert result.usage.duration_seconds == ran_s
    assert result.usage.vcpu_seconds == pytest.approx(ran_s * 0.5, abs=1e-9)
    assert [attempt.attempt for attempt in result.usage.attempts] == [1]


def test_killed_amid_bytes_that_are_no_text_goes_on_at_the_exact_byte(daemon: Daemon) -> None:
    script = r"printf 'ab\377\376\n'; until [ -e /gate ]; do sleep 0.02; done; seq 3"
    handle = daemon.submit("sh", "-c", script)
    assert first_line(handle).startswith("ab")
    daemon.kill9()
    daemon.start()
    daemon.until(handle.id, "run.running")
    daemon.open_gate(handle.id)
    assert handle.wait(30).exit_code == 0
    assert daemon.raw(handle.id) == b"ab\xff\xfe\n1\n2\n3\n"


def test_a_second_daemon_on_the_same_data_by_another_name_is_refused_too(daemon: Daemon) -> None:
    alias = daemon.directory / "alias"
    alias.symlink_to(daemon.directory / "data")
    second = daemon.serve_again(socket=daemon.directory / "second.sock", data_dir=alias)
    assert second.returncode == 1
    assert "another runsd holds it" in second.stderr


def test_a_killed_daemon_that_nobody_has_buried_holds_nothing(daemon: Daemon) -> None:
    with daemon.unburied():
        daemon.start()
        assert daemon.client.health().status == "ok"
