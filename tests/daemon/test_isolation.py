"""Runs that are kept from each other by a network of runsd's own, which comes and goes with the daemon."""

import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from runsd_sdk import RunsClient
from runsd_sdk.run import Reason

from tests import leaks
from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, Daemon, container_name, first_line
from tests.daemon.test_sandboxes import joined, waiting
from tests.daemon.test_telemetry import SENDER, told

LISTENS = """
import pathlib, socket
addresses = pathlib.Path("/proc/net/if_inet6")
if addresses.exists():  # what filters IPv4 does not filter IPv6
    assert "eth0" not in addresses.read_text()
with socket.create_server(("0.0.0.0", 9000)) as server:
    print(socket.gethostbyname(socket.gethostname()), flush=True)
    while True:
        server.accept()
"""
REACHES = """
import socket
print("up", flush=True)
gate("/gate")
call(1)
for host in {hosts}:
    try:
        socket.create_connection((host, 9000), timeout=3).close()
        print(host)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon that keeps its runs apart, and makes no sandboxes."""
    with serve(RUNSD_NETWORK__ISOLATE="true", RUNSD_SANDBOX__POOL="0") as daemon:
        yield daemon


def own(daemon: Daemon) -> str:
    return f"runsd-{daemon.instance}"


def present(daemon: Daemon) -> bool:
    return own(daemon) in leaks.networks(daemon.eye, {daemon.instance})


def leave(daemon: Daemon) -> int:
    """End the daemon when it has removed the containers of ended runs, and return its exit code."""
    assert not leaks.settled(lambda: leaks.engine_leftovers(daemon.eye, {daemon.instance}))
    return daemon.terminate()


def networks_of(record: dict[str, Any]) -> set[str]:
    return set(record["NetworkSettings"]["Networks"])


def test_runs_of_two_projects_do_not_reach_each_other_and_both_are_heard(
    serve: Serve, python_image: str
) -> None:
    isolating = {"RUNSD_NETWORK__ISOLATE": "true", "RUNSD_SANDBOX__POOL": "1"}
    with serve(**isolating, RUNSD_DEFAULTS__MEMORY="64Mi") as daemon:
        daemon.image = python_image
        listening = daemon.submit("python3", "-c", LISTENS, network="bridge")
        address = first_line(listening).strip()
        assert networks_of(daemon.inspect(listening.id)) == {own(daemon)}
        socket.create_connection((address, 9000), timeout=ENDED_S).close()  # the host does reach it
        sandbox = waiting(daemon)
        daemon.client.projects.create("team")
        program = SENDER + REACHES.format(hosts=[address, container_name(listening.id)])
        with RunsClient(f"unix://{daemon.socket}", project="team") as team:
            handle = team.create(**daemon.spec("python3", "-c", program, network="bridge"))
            assert first_line(handle) == "up\n"
            assert joined(daemon, handle.id) == sandbox
            assert networks_of(daemon.eye.inspect_container(sandbox)) == {own(daemon)}
            daemon.open_gate(handle.id)
            result = handle.wait(ENDED_S)
            assert (result.exit_code, result.stdout) == (0, "up\n"), result.stderr
            assert team.metrics(handle.id).requests == 1
        assert told(daemon, listening.id) == (None, None, None)
        listening.cancel()
        listening.wait(ENDED_S)


def test_a_network_that_was_taken_away_is_made_anew_and_another_one_is_not_joined(daemon: Daemon) -> None:
    daemon.eye.remove_network(own(daemon))
    assert daemon.run("true", network="bridge").exit_code == 0
    daemon.eye.remove_network(own(daemon))
    daemon.eye.create_network(own(daemon), driver="bridge", labels={leaks.INSTANCE: daemon.instance})
    refused = daemon.run("true", network="bridge")
    assert refused.reason is Reason.START_FAILED
    assert f"docker network rm {own(daemon)}" in (refused.message or "")
    assert daemon.run("true", network="none").exit_code == 0
    daemon.eye.remove_network(own(daemon))
    assert daemon.run("true", network="bridge").exit_code == 0


def test_a_run_keeps_its_network_while_the_daemon_is_away(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60", network="bridge")
    daemon.until(handle.id, "run.running")
    assert daemon.terminate() == 0
    assert present(daemon)
    daemon.start(RUNSD_NETWORK__ISOLATE="false")
    assert present(daemon)
    handle.cancel()
    handle.wait(ENDED_S)
    daemon.restart()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_makes_or_removes_the_network(daemon: Daemon, when: str) -> None:
    assert leave(daemon) == 0
    assert not present(daemon)
    daemon.start_doomed(f"{when}:create_network")
    daemon.await_death()
    assert present(daemon) is (when == "after")
    daemon.start(RUNSD_FAULT=f"{when}:remove_network")
    assert daemon.run("true", network="bridge").exit_code == 0
    assert leave(daemon) == -signal.SIGKILL
    assert present(daemon) is (when == "before")
    daemon.start(RUNSD_NETWORK__ISOLATE="false")
    assert not present(daemon)
    daemon.restart()
