"""Ctrl-C while attached: the first cancels, the second leaves at once; 130 only when it is true."""

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from runsd_sdk.run import Reason, Status

from tests.daemon.command import connections, ctrl_c, line, runs, started
from tests.daemon.harness import ENDED_S, Daemon, eventually

NET = ("--network", "none")
# Much less than the grace, the SDK's patience, or a request's time.
AT_ONCE_S = 3
SAYS_BYE = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


@pytest.fixture(autouse=True)
def _nothing_runs_on(daemon: Daemon) -> Iterator[None]:
    """End what a test has left, which may be stubborn: the next one counts places."""
    yield
    for run in list(daemon.client.iterate(status=["pending", "running"])):
        daemon.client.cancel(run.id)
        daemon.client.wait(run.id, ENDED_S)


def test_the_first_cancels_and_keeps_streaming(daemon: Daemon) -> None:
    with started(daemon, "run", *NET, "--name", "bye", daemon.image, "sh", "-c", SAYS_BYE) as process:
        assert line(process.stdout) == "ready\n"
        ctrl_c(process)
        out, err = process.communicate(timeout=ENDED_S)
    run = daemon.client.list(name="bye").data[0]
    assert (process.returncode, out) == (130, "bye\n")
    assert err.startswith(f"runs: cancelling {run.id}; Ctrl-C again leaves without waiting\n")
    assert (run.status, run.reason, run.exit_code) == (Status.CANCELLED, Reason.CANCELLED, 7)


def test_with_json_it_cancels_and_writes_the_result(daemon: Daemon) -> None:
    with started(daemon, "run", *NET, "--json", "--stop-grace", "1s", "--name", "own", daemon.image,
                 "sh", "-c", SAYS_BYE) as process:  # fmt: skip
        assert eventually(lambda: bool(daemon.client.list(name="own", status="running").data))
        ctrl_c(process)
        out, _ = process.communicate(timeout=ENDED_S)
    assert process.returncode == 130
    assert '"reason": "cancelled"' in out


def test_the_second_leaves_at_once_and_the_run_goes_on_to_its_end(daemon: Daemon) -> None:
    with started(daemon, "run", *NET, "--stop-grace", "4s", "--name", "stubborn", daemon.image,
                 "sh", "-c", STUBBORN) as process:  # fmt: skip
        assert line(process.stdout) == "ready\n"
        run = daemon.client.list(name="stubborn").data[0]
        ctrl_c(process)
        daemon.until(run.id, "run.stopping")
        assert "cancelling" in line(process.stderr)
        ctrl_c(process)
        out, err = process.communicate(timeout=AT_ONCE_S)
    assert not daemon.client.get(run.id).status.terminal
    assert (process.returncode, out) == (130, "")
    assert err == f"runs: detached from {run.id}, which is being cancelled: runs wait {run.id}\n"
    assert runs(daemon, "wait", run.id).returncode == 130


def test_leaving_before_the_daemon_has_confirmed_the_cancellation_is_not_130(daemon: Daemon) -> None:
    with started(daemon, "run", *NET, "--stop-grace", "0s", daemon.image, "sh", "-c", STUBBORN) as process:
        assert line(process.stdout) == "ready\n"
        with daemon.paused():
            said = twice(process)
    assert process.returncode == 125
    assert "the daemon has not confirmed its cancellation: runs cancel run_" in said


def test_a_map_says_how_many_runs_are_not_cancelled_yet(daemon: Daemon) -> None:
    with started(daemon, "map", "--over", "N=1,2", *NET, "--stop-grace", "0s", daemon.image,
                 "sh", "-c", STUBBORN) as process:  # fmt: skip
        while "running" not in line(process.stdout):
            pass
        with daemon.paused():
            said = twice(process)
    assert process.returncode == 1
    assert "detached; 2 of 2 runs are not cancelled yet, and go on" in said


def test_while_submitting_it_cancels_the_run_once_there_is_one(daemon: Daemon) -> None:
    with submitting(daemon, "run", *NET, "--name", "early", daemon.image, "sleep", "60") as process:
        ctrl_c(process)
        assert "cancelling what is being submitted" in line(process.stderr)
    process.wait(ENDED_S)
    run = daemon.client.list(name="early").data[0]
    assert process.returncode == 130
    assert (run.status, run.reason) == (Status.CANCELLED, Reason.CANCELLED)


def test_detached_too_it_cancels_what_was_being_submitted(daemon: Daemon) -> None:
    with submitting(daemon, "map", "-d", "--over", "N=1,2", *NET, "-l", "map=early", daemon.image,
                    "sleep", "60") as process:  # fmt: skip
        ctrl_c(process)
        assert "cancelling what is being submitted" in line(process.stderr)
    process.wait(ENDED_S)
    found = daemon.client.list(label={"map": "early"}).data
    assert process.returncode == 1
    assert [run.status for run in found] == [Status.CANCELLED] * 2


def test_leaving_while_submitting_is_not_130(daemon: Daemon) -> None:
    with submitting(daemon, "run", *NET, daemon.image, "true") as process:
        said = twice(process)
    assert process.returncode == 125, said
    assert "left while submitting; what the daemon has taken goes on" in said


@pytest.mark.timeout(30)
def test_a_terminal_that_waits_for_the_queue_is_left_at_once(daemon: Daemon) -> None:
    holds_all = daemon.submit("sleep", "60", resources={"requests": {"memory": "2Gi"}}, stop_grace_seconds=0)
    daemon.until(holds_all.id, "run.running")
    ours, theirs = pty.openpty()
    try:
        with started(daemon, "run", *NET, daemon.image, "true", stderr=theirs) as process:
            os.close(theirs)  # else this process would keep the terminal open, and wait for itself
            seen = b""
            while b"it waits for resources" not in seen:
                seen += os.read(ours, 4096)
            with daemon.paused():
                ctrl_c(process)
                while b"Ctrl-C again" not in seen:
                    seen += os.read(ours, 4096)
                ctrl_c(process)
                assert process.wait(AT_ONCE_S) == 125
            while b"has not confirmed" not in seen:
                seen += os.read(ours, 4096)
    finally:
        os.close(ours)


@contextmanager
def submitting(daemon: Daemon, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """Lend a command whose request has arrived at a daemon that does not read it before the block ends."""
    before = connections(daemon)
    with started(daemon, *words) as process:
        with daemon.paused():
            assert eventually(lambda: connections(daemon) > before)
            yield process
        process.wait(ENDED_S)


def twice(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C twice, and return what is said until the command is gone, which must be soon."""
    ctrl_c(process)
    said = line(process.stderr)
    ctrl_c(process)
    return said + process.communicate(timeout=AT_ONCE_S)[1]
