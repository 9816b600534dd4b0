"""Clients that leave in the middle, or read slowly or never: no run, no other client, no memory suffers."""

import time
from contextlib import ExitStack
from random import Random

import psutil
import pytest
from runsd_sdk.run import Status

from tests.conftest import Serve
from tests.daemon.harness import Daemon, first_line
from tests.faults import programs
from tests.faults.clients import follow, leave, read_slowly

MIB = 1024**2
LINES = 200_000
"""Some 5 MB: thirty times that is far more than thirty followers who read nothing may cost."""
pytestmark = pytest.mark.timeout(300)


def test_thousands_who_leave_in_the_middle_disturb_nobody(serve: Serve) -> None:
    random = Random(5)
    with serve() as daemon:
        handle = daemon.submit("sh", "-c", "while :; do echo x; sleep 0.05; done", stop_grace_seconds=0)
        first_line(handle)
        leave(daemon.socket, handle.id, random, count=500)
        before = memory(daemon)
        slowest_s = 0.0
        for _ in range(5):
            leave(daemon.socket, handle.id, random, count=500)
            slowest_s = max(slowest_s, answered_s(daemon))
        assert slowest_s < 5
        assert memory(daemon) - before < 32 * MIB
        assert open_sockets(daemon) < 50
        assert daemon.run("echo", "well").stdout == "well\n"
        assert handle.refresh().status is Status.RUNNING


def test_followers_who_never_read_cost_little_and_hold_up_nothing(serve: Serve) -> None:
    program = programs.lots(Random(6), LINES)
    with serve() as daemon, ExitStack() as stack:
        handle = daemon.client.create(**daemon.spec(**program.spec("unread")))
        for _ in range(30):
            stack.enter_context(follow(daemon.socket, handle.id))
        before = memory(daemon)
        assert handle.wait(120).status is Status.SUCCEEDED
        assert memory(daemon) - before < 64 * MIB
        assert answered_s(daemon) < 5
        assert daemon.raw(handle.id) == printed(program, "unread")


def test_a_slow_reader_gets_every_byte(serve: Serve) -> None:
    program = programs.lots(Random(7), LINES)
    with serve() as daemon:
        handle = daemon.client.create(**daemon.spec(**program.spec("slow")))
        assert read_slowly(daemon.socket, handle.id, pause_s=0.005) == printed(program, "slow")
        assert handle.wait(60).status is Status.SUCCEEDED


def printed(program: programs.Program, tag: str) -> bytes:
    return program.printed(tag, "stdout", ordinal=1, most=0)


def answered_s(daemon: Daemon) -> float:
    """Return how long the daemon takes for an answer that needs its database."""
    asked = time.monotonic()
    daemon.client.list(limit=10)
    return time.monotonic() - asked


def memory(daemon: Daemon) -> int:
    return int(psutil.Process(daemon.pid).memory_info().rss)


def open_sockets(daemon: Daemon) -> int:
    return len(psutil.Process(daemon.pid).net_connections(kind="unix"))
