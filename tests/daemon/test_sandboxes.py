"""Sandboxes: a run in one sees what it would see without, and nothing of whoever was there before."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from runsd_sdk.run import Status

from runsd.faults import Step
from runsd.supervise.sandbox import IMAGE
from runsd.supervise.sandboxes import NETWORKS
from tests import leaks
from tests.conftest import Serve
from tests.daemon.harness import Daemon, eventually

ALL_THAT_IS_SEEN = """
    echo "hostname $(hostname)"; cat /etc/hostname /etc/hosts /etc/resolv.conf
    ip addr; ip route; ip -6 route; ls /proc/net; cat /proc/net/dev | cut -d: -f1
    grep -r . /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range
    find /proc/sys/net -type f | sort | md5sum; mount | sed 's/.*on //' | cut -d' ' -f1 | sort
    id; env
"""


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    """Each network that has sandboxes."""
    return str(request.param)


@pytest.fixture
def fresh(serve: Serve) -> Iterator[Daemon]:
    """A daemon whose pool, of one for each network, nobody else has used."""
    with serve(RUNSD_SANDBOX__POOL="1") as daemon:
        yield daemon


def joined(daemon: Daemon, run_id: str) -> str | None:
    """Return the sandbox that a running run is in."""
    mode, _, sandbox = daemon.inspect(run_id)["HostConfig"]["NetworkMode"].partition(":")
    return sandbox if mode == "container" else None


def warmed(daemon: Daemon, network: str) -> str:
    """Have one run, so that a sandbox is made; return it."""
    daemon.run("true", network=network)
    return waiting(daemon)


def waiting(daemon: Daemon, *, but: str = "") -> str:
    """Return the one sandbox that there is, ready for a run; not that one."""

    def ready() -> bool:
        return pool(daemon) == {"idle": 1, "lent": 0} and len(set(running(daemon)) - {but}) == 1

    assert eventually(ready, within_s=30)
    (sandbox,) = set(running(daemon)) - {but}
    return sandbox


def pool(daemon: Daemon) -> dict[str, int]:
    """Return how many sandboxes are in which state, as the metrics say."""
    lines = daemon.http.get("/metrics").text.splitlines()
    return {
        state: int(float(line.split()[-1]))
        for line in lines
        for state in ("idle", "lent")
        if line.startswith(f'runsd_sandboxes{{state="{state}"}}')
    }


def running(daemon: Daemon) -> list[str]:
    """Name the sandboxes that run."""
    return [id for id, state in leaks.sandboxes(daemon.eye, daemon.instance).items() if state == "running"]


def in_sandbox(daemon: Daemon, script: str, **spec: object) -> tuple[str | None, str]:
    """Carry out a script, and return the sandbox that it was in, and what it wrote."""
    handle = daemon.submit("sh", "-c", f"until [ -e /gate ]; do sleep 0.02; done; {script}", **spec)
    daemon.until(handle.id, "run.running")
    sandbox = joined(daemon, handle.id)
    daemon.open_gate(handle.id)
    result = handle.wait(30)
    assert result.status is Status.SUCCEEDED, result.stderr
    return sandbox, result.stdout


def test_what_a_run_sees_is_what_it_would_see_without(serve: Serve, fresh: Daemon, network: str) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "elsewhere"}  # else each run has a token of its own
    with serve(RUNSD_SANDBOX__POOL="0") as daemon:
        without, plain = in_sandbox(daemon, ALL_THAT_IS_SEEN, network=network, env=env)
        assert running(daemon) == []
    warmed(fresh, network)
    sandbox, seen = in_sandbox(fresh, ALL_THAT_IS_SEEN, network=network, env=env)
    assert (without, sandbox is not None) == (None, True)
    assert _without_names(seen) == _without_names(plain)


def _without_names(text: str) -> str:
    """Put a word in the place of what differs between any two containers."""
    for pattern, word in (
        (r"hostname ([0-9a-f]{12})\n\1", "HOSTNAME"),
        (r"\b[0-9a-f]{12}\b", "NAME"),
        (r"172\.\d+\.\d+\.\d+", "ADDRESS"),
        (r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC"),
        (r"\d+: eth0@if\d+", "eth0"),
        (r"inet6 fe80\S+", "inet6"),
    ):
        text = re.sub(pattern, word, text)
    return text


def test_one_that_looks_as_new_is_lent_again(serve: Serve, network: str) -> None:
    with serve(RUNSD_SANDBOX__POOL="2") as daemon:
        sandbox = warmed(daemon, network)
        for _ in range(3):
            assert in_sandbox(daemon, "echo x > /file; sleep 60 & true", network=network)[0] == sandbox
            assert eventually(lambda: pool(daemon)["lent"] == 0, within_s=30)


@pytest.mark.parametrize(
    "deed",
    [
        "echo 10.1.2.3 secret >> /etc/hosts",
        "chmod 600 /etc/resolv.conf",
        "touch /etc/hostname",
        "cat /etc/hosts",
        "(echo x | nc -l -p 7777 &) ; sleep 0.2; echo y | nc 127.0.0.1 7777",
        "nslookup example.invalid 127.0.0.1 || true",
    ],
)
def test_one_that_was_used_is_thrown_away_and_the_next_run_sees_nothing_of_it(
    fresh: Daemon, deed: str
) -> None:
    sandbox = warmed(fresh, "none")
    assert in_sandbox(fresh, deed, network="none")[0] == sandbox
    other = waiting(fresh, but=sandbox)
    assert in_sandbox(fresh, "true", network="none")[0] == other


def test_runs_at_the_same_time_are_never_in_the_same_one(serve: Serve) -> None:
    with serve(RUNSD_SANDBOX__POOL="3") as daemon:
        for _ in range(3):
            daemon.run("true", network="none")
        assert eventually(lambda: pool(daemon) == {"idle": 3, "lent": 0}, within_s=30)
        handles = [daemon.submit("sleep", "60", network="none") for _ in range(5)]
        for handle in handles:
            daemon.until(handle.id, "run.running")
        places = [joined(daemon, handle.id) for handle in handles]
        taken = [place for place in places if place is not None]
        assert len(set(taken)) == len(taken) >= 3


def test_killed_with_one_lent_the_run_goes_on_and_every_old_sandbox_goes(fresh: Daemon) -> None:
    warmed(fresh, "none")
    handle = fresh.submit("sh", "-c", "until [ -e /gate ]; do sleep 0.02; done; echo done", network="none")
    fresh.until(handle.id, "run.running")
    lent = joined(fresh, handle.id)
    assert lent is not None
    assert eventually(lambda: pool(fresh) == {"idle": 1, "lent": 1}, within_s=30)
    (idle,) = set(running(fresh)) - {lent}
    fresh.kill9()
    fresh.start()
    assert eventually(lambda: idle not in running(fresh), within_s=30)
    assert lent in running(fresh)
    fresh.open_gate(handle.id)
    assert handle.wait(30).stdout == "done\n"
    assert eventually(lambda: lent not in running(fresh), within_s=30)


def test_a_run_whose_sandbox_has_ended_starts_that_first(fresh: Daemon) -> None:
    sandbox = warmed(fresh, "none")
    fresh.eye.kill(sandbox)
    result = fresh.run("echo", "here", network="none")
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "here\n")


@pytest.mark.needs("root")
def test_a_run_whose_sandbox_can_never_be_started_is_made_anew_with_another(fresh: Daemon) -> None:
    tasks = next(Path("/run").glob("**/io.containerd.runtime.v2.task/moby"), None)
    if tasks is None:
        pytest.skip("the Engine's containerd keeps its tasks elsewhere")
    sandbox = warmed(fresh, "none")
    fresh.eye.kill(sandbox)
    fresh.eye.wait(sandbox)
    left = tasks / sandbox  # as by an Engine that was killed while it started this one
    assert eventually(lambda: not left.exists(), within_s=30)
    left.mkdir()
    try:
        result = fresh.run("echo", "here", network="none")
        assert (result.status, result.stdout, result.attempt) == (Status.SUCCEEDED, "here\n", 1)
        assert eventually(lambda: sandbox not in leaks.sandboxes(fresh.eye, fresh.instance), within_s=30)
    finally:
        left.rmdir()


@pytest.mark.parametrize("point", ["", f"before:{Step.UNMADE}", f"after:{Step.UNMADE}"])
def test_a_run_whose_sandbox_was_removed_before_its_start_is_made_anew(fresh: Daemon, point: str) -> None:
    fresh.kill9()
    fresh.start(RUNSD_FAULT=f"before:{Step.START}#2")
    warmed(fresh, "none")
    handle = fresh.submit("echo", "here", network="none")
    fresh.await_death()
    assert fresh.inspect(handle.id)["State"]["Status"] == "created"
    sandbox = joined(fresh, handle.id)
    assert sandbox is not None
    fresh.eye.remove_container(sandbox, force=True)
    if point:
        fresh.start_doomed(point)
        fresh.await_death()
    fresh.start()
    result = handle.wait(30)
    assert (result.status, result.stdout, result.attempt) == (Status.SUCCEEDED, "here\n", 1)


@pytest.mark.parametrize("point", [f"before:{Step.IMPORT_SANDBOX}", f"after:{Step.IMPORT_SANDBOX}"])
def test_killed_as_the_image_is_made_the_run_ends_and_the_next_one_has_a_sandbox(
    fresh: Daemon, point: str
) -> None:
    fresh.kill9()
    with suppress(docker.errors.ImageNotFound):
        fresh.eye.remove_image(IMAGE, force=True)
    fresh.start(RUNSD_FAULT=point)
    handle = fresh.submit("echo", "here", network="none")
    fresh.await_death()
    fresh.start()
    assert handle.wait(30).stdout == "here\n"
    warmed(fresh, "none")


def test_the_label_alone_makes_no_sandbox(fresh: Daemon) -> None:
    warmed(fresh, "none")
    labels = {leaks.SANDBOX: fresh.instance}
    theirs = fresh.eye.create_container(fresh.image, ["sleep", "60"], labels=labels)["Id"]
    try:
        fresh.eye.start(theirs)
        fresh.restart()  # the first that a daemon does is to clear away what another has left
        fresh.run("true", network="none")
        own = waiting(fresh, but=theirs)
        assert set(running(fresh)) == {theirs, own}
    finally:
        fresh.eye.remove_container(theirs, force=True)


def test_asked_to_leave_the_daemon_takes_all_of_them_apart(fresh: Daemon) -> None:
    for network in NETWORKS:
        fresh.run("true", network=network)
    assert eventually(lambda: pool(fresh) == {"idle": 2, "lent": 0}, within_s=30)
    assert fresh.terminate() == 0
    assert leaks.sandboxes(fresh.eye, fresh.instance) == {}
    fresh.start()
