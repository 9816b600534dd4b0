"""What a container is allowed and what it used: asked of the Engine and of the kernel, not of runsd."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from runsd_sdk.run import Status

from tests.daemon.harness import Daemon, eventually

BURN = "import time; ends = time.process_time() + 0.4\nwhile time.process_time() < ends: pass"
MIB = 1024**2


@pytest.fixture(scope="module")
def record(daemon: Daemon) -> Iterator[dict[str, Any]]:
    """docker-py's view of a running container that asked for something of everything."""
    with daemon.volume("shared") as volume:
        handle = daemon.submit(
            "sleep", "60",
            resources={"requests": {"cpu": "250m", "memory": "48Mi"}},
            env={"GREETING": "hello = world"},
            workdir="/tmp",
            user="65534:65534",
            shm_size="8Mi",
            stop_grace_seconds=0,
            volume_mounts=[{"volumeId": "shared", "mountPath": "/data", "readOnly": True}],
        )  # fmt: skip
        daemon.until(handle.id, "run.running")
        yield {**daemon.inspect(handle.id), "run": handle, "volume": volume}
        handle.cancel()
        handle.wait(30)


def test_cpu_and_memory_are_the_engines_own_limits(record: dict[str, Any]) -> None:
    host = record["HostConfig"]
    assert host["NanoCpus"] == 250_000_000
    assert host["Memory"] == host["MemorySwap"] == 48 * MIB
    assert host["ShmSize"] == 8 * MIB


def test_a_run_gets_no_powers_that_it_does_not_need(record: dict[str, Any]) -> None:
    host = record["HostConfig"]
    assert host["Privileged"] is False
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["CapDrop"] == ["ALL"]
    assert not {"SYS_ADMIN", "NET_ADMIN", "NET_RAW", "MKNOD", "SYS_PTRACE"} & set(host["CapAdd"])
    assert host["Init"] is True
    assert 0 < host["PidsLimit"] <= 4096
    assert host["Binds"] is None
    assert host["NetworkMode"].partition(":")[0] in ("none", "container")  # a sandbox's, where one was ready
    assert host["AutoRemove"] is False
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert host["LogConfig"]["Type"] == "json-file"
    assert int(host["LogConfig"]["Config"]["max-file"]) >= 3


def test_environment_user_and_directory_are_what_was_asked(record: dict[str, Any]) -> None:
    config = record["Config"]
    assert "GREETING=hello = world" in config["Env"]
    assert (config["User"], config["WorkingDir"]) == ("65534:65534", "/tmp")
    assert config["Entrypoint"] == ["sleep", "60"]
    assert not config["Cmd"]
    labels = {"io.runsd.run": record["run"].id, "io.runsd.attempt": "1"}
    assert labels.items() <= config["Labels"].items()


def test_mounts_are_the_named_volume(record: dict[str, Any]) -> None:
    (mounted,) = record["Mounts"]
    assert mounted["Type"] == "volume"
    assert (mounted["Name"], mounted["Destination"]) == (record["volume"].docker_name, "/data")
    assert mounted["RW"] is False


def test_without_a_command_the_image_says_what_runs(daemon: Daemon) -> None:
    handle = daemon.client.create(image=daemon.image, args=["echo", "from args"], network="none")
    result = handle.wait(30)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "from args\n")


@pytest.mark.needs("cgroups")
def test_processor_seconds_and_peak_memory_are_exact_by_the_cgroup(daemon: Daemon, python_image: str) -> None:
    idle = daemon.run("python3", "-c", "pass", image=python_image)
    busy = daemon.run("python3", "-c", BURN, image=python_image)
    assert idle.usage.source == busy.usage.source == "cgroup"
    assert idle.usage.cpu_seconds_used is not None
    assert busy.usage.cpu_seconds_used is not None
    assert busy.usage.cpu_seconds_used - idle.usage.cpu_seconds_used == pytest.approx(0.4, rel=0.15)
    hungry = daemon.run("python3", "-c", f"x = bytearray({16 * MIB})", image=python_image)
    assert hungry.usage.memory_peak_bytes is not None
    assert 16 * MIB < hungry.usage.memory_peak_bytes <= 32 * MIB


def test_a_running_run_s_use_is_sampled_and_its_totals_are_kept(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "until [ -e /gate ]; do :; done")
    daemon.until(handle.id, "run.running")
    assert eventually(lambda: bool(daemon.client.metrics(handle.id).samples), within_s=20)
    live = daemon.client.metrics(handle.id)
    assert live.cpu_seconds_allocated > 0
    daemon.open_gate(handle.id)
    result = handle.wait(30)
    ended = daemon.client.metrics(handle.id)
    assert ended.samples[: len(live.samples)] == live.samples
    assert [sample.time for sample in ended.samples] == sorted(sample.time for sample in ended.samples)
    assert ended.samples[0].cpu_seconds > 0
    assert ended.samples[0].memory_bytes > 0
    assert ended.cpu_seconds_allocated == result.usage.vcpu_seconds
    assert ended.cpu_seconds_used == result.usage.cpu_seconds_used
    assert ended.source == result.usage.source


def test_the_limit_of_processor_time_holds(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "while :; do :; done", resources={"requests": {"cpu": "200m"}})
    daemon.until(handle.id, "run.running")
    time.sleep(1)  # it must have had time to take more than its share
    handle.cancel()
    usage = handle.wait(30).usage
    assert usage.cpu_seconds_used is not None
    assert usage.cpu_seconds_used < 0.2 * usage.duration_seconds + 0.15
