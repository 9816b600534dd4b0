"""A run that looks for a way out: by the kernel, by sockets, by the network."""

import socket
from collections.abc import Iterator
from contextlib import closing

import docker
import psutil
import pytest

from tests.daemon.harness import Daemon, container_name, first_line

# Each line is tried; those that succeed are named.
BREAK_OUT = r"""
try() { name=$1; shift; "$@" >/dev/null 2>&1 && echo "$name"; }
try mount mount -t tmpfs none /mnt
try device mknod /disk b 8 0
try user-namespace unshare -U true
try network-namespace unshare -n true
try join-init nsenter -t 1 -n true
try sysctl sh -c 'echo 1 > /proc/sys/kernel/sysrq'
try sysrq sh -c 'echo h > /proc/sysrq-trigger'
try core-pattern sh -c 'echo "|/x" > /proc/sys/kernel/core_pattern'
try release-agent sh -c 'for f in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release); do
  echo 1 > $f && exit 0; done; exit 1'
[ -d /sys/fs/cgroup/memory ] && cgroup=/sys/fs/cgroup/memory || cgroup=/sys/fs/cgroup
try cgroup mkdir $cgroup/mine
try sys sh -c 'echo 0 > /sys/kernel/profiling'
try kernel-memory sh -c 'head -c 1 /proc/kcore | grep -q .'
try kernel-log dmesg
try raw-socket arping -c 1 -w 1 127.0.0.1
try address ip link set lo down
try clock sh -c '! date -s 2000-01-01 2>&1 | grep "not permitted"'
try hostname hostname mine
try chroot-out chroot /proc/1/root/.. ls /etc/docker
try module insmod /none.ko
try reboot reboot -f
try control touch /control
"""
SOCKETS = r"""
find / -xdev -type s; ls /var/run/docker.sock /run/docker.sock /run/runsd
cut -d' ' -f8- /proc/net/unix | grep -v Path; echo looked
"""
# busybox's nc has no -z: it reads from nothing, and ends when the other side has been reached.
REACH = 'reach() { nc -w 2 "$1" "$2" </dev/null >/dev/null 2>&1 && echo "$1 $2"; }; '


def test_the_kernels_ways_out_are_closed(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", BREAK_OUT, user="0")
    assert (result.exit_code, result.stdout.split()) == (0, ["control"])


def test_no_socket_of_the_host_is_in_sight(daemon: Daemon) -> None:
    for network in ("none", "bridge"):
        assert daemon.run("sh", "-c", SOCKETS, network=network).stdout.split() == ["looked"]


@pytest.fixture
def loopback_service() -> Iterator[int]:
    """The port of a service of the host that listens on loopback alone, as databases do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def test_of_the_host_a_run_reaches_the_receiver_of_telemetry_alone(
    daemon: Daemon, docker_client: docker.APIClient, loopback_service: int
) -> None:
    (gateway,) = [c["Gateway"] for c in docker_client.inspect_network("bridge")["IPAM"]["Config"]]
    listens = psutil.Process(daemon.pid).net_connections("inet")
    ours = [address.laddr for address in listens if address.status == psutil.CONN_LISTEN]
    assert [address.ip for address in ours] == [gateway]
    (receiver,) = (address.port for address in ours)
    ports = (receiver, loopback_service, 2375, 2376)
    script = REACH + "; ".join(f"reach {host} {port}" for host in (gateway, "127.0.0.1") for port in ports)
    result = daemon.run("sh", "-c", f"{script}; true", network="bridge")
    assert result.stdout.splitlines() == [f"{gateway} {receiver}"]


def test_the_receiver_of_telemetry_says_nothing_of_runs(daemon: Daemon) -> None:
    script = r"""
    for path in / /v1/runs /v1/health /v1/info /metrics /v1/openapi.json /v1/traces/../runs //v1/runs; do
        wget -q -O - "$OTEL_EXPORTER_OTLP_ENDPOINT$path" && echo "$path"
    done 2>/dev/null
    wget -O /dev/null "$OTEL_EXPORTER_OTLP_ENDPOINT/v1/runs" 2>&1 | grep -o 'HTTP.*'
    """
    result = daemon.run("sh", "-c", script, network="bridge")
    assert result.stdout.splitlines() == ["HTTP/1.1 404 Not Found"]


def test_runs_of_a_network_without_neighbours_reach_the_host_and_not_each_other(
    daemon: Daemon, apart: str, docker_client: docker.APIClient
) -> None:
    listening = daemon.submit(
        "sh", "-c", "while true; do nc -l -p 9000 -e true; done & "
        "until nc -w 1 127.0.0.1 9000 2>/dev/null; do sleep 0.1; done; echo up; wait",
        network=apart,
    )  # fmt: skip
    assert first_line(listening) == "up\n"
    inspected = docker_client.inspect_container(container_name(listening.id))
    found = inspected["NetworkSettings"]["Networks"][apart]
    receiver = daemon.client.health().telemetry.endpoint
    assert receiver is not None
    host, _, port = receiver.removeprefix("http://").partition(":")
    script = f"{REACH} reach {found['IPAddress']} 9000; reach {host} {port}; true"
    result = daemon.run("sh", "-c", script, network=apart)
    assert result.stdout.splitlines() == [f"{host} {port}"]
    listening.cancel()
    assert listening.wait(60).status == "cancelled"


def test_no_network_is_joined_that_an_administrator_has_not_named(daemon: Daemon) -> None:
    victim = daemon.submit("sleep", "60", network="bridge")
    daemon.until(victim.id, "run.running")
    for network in ("host", "default", f"container:{container_name(victim.id)}", container_name(victim.id)):
        answer = daemon.http.post("/v1/runs", json=daemon.spec("true", network=network))
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["network"])
    victim.cancel()
    victim.wait(60)
