"""A request as the Engine itself then reports it."""

import docker
import pytest

from runsd.engine.body import CAPABILITIES
from runsd.engine.docker import DockerEngine
from runsd.engine.port import Confinement, ContainerRequest, Mount, Stream
from runsd.errors import EngineRefused
from tests.engine.conftest import RequestOf


async def test_the_engine_reports_every_limit_as_asked(
    engine: DockerEngine, eye: docker.DockerClient, volume: str, request_of: RequestOf, label: str
) -> None:
    await engine.create_volume(volume, {"runsd-test": label})
    request = request_of(
        "true",
        cpu_milli=250,
        memory_bytes=32 * 1024**2,
        shm_bytes=8 * 1024**2,
        env={"A": "1", "EMPTY": "", "EQUALS": "x=y", "LINES": "a\nb"},
        workdir="/tmp",
        user="1000:1000",
        mounts=[Mount(volume, "/data", False), Mount(volume, "/frozen", True)],
        log_max_bytes=1024**2,
    )
    attributes = eye.containers.get(await engine.create(request)).attrs
    config, host = attributes["Config"], attributes["HostConfig"]
    assert attributes["Name"] == "/" + request.name
    assert {"A=1", "EMPTY=", "EQUALS=x=y", "LINES=a\nb"} <= set(config["Env"])
    assert (config["WorkingDir"], config["User"]) == ("/tmp", "1000:1000")
    assert request.labels.items() <= config["Labels"].items()  # an image's own labels are there too
    assert config.get("StopSignal") is None
    assert not config["Tty"]
    assert host["NanoCpus"] == 250_000_000
    assert host["Memory"] == host["MemorySwap"] == 32 * 1024**2
    assert host["ShmSize"] == 8 * 1024**2
    assert (host["PidsLimit"], host["Init"], host["NetworkMode"]) == (4096, True, "none")
    assert host["CapDrop"] == ["ALL"]
    assert {name.removeprefix("CAP_") for name in host["CapAdd"]} == set(CAPABILITIES)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": str(2 * 1024**2), "max-file": "3"},
    }
    assert not host["AutoRemove"]
    assert not host["Privileged"]
    assert not host["Binds"]
    assert [host[mode] for mode in ("PidMode", "UTSMode", "UsernsMode")] == [""] * 3
    assert host["IpcMode"] in ("", "private")
    assert not host["PortBindings"]
    assert not host["Devices"]
    assert host["RestartPolicy"]["Name"] in ("", "no")
    mounts = {mount["Destination"]: (mount["Name"], mount["RW"]) for mount in attributes["Mounts"]}
    assert mounts == {"/data": (volume, True), "/frozen": (volume, False)}


async def test_the_container_sees_its_limits(engine: DockerEngine, request_of: RequestOf) -> None:
    command = "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; ps -o pid,comm | grep ' 1 '"
    output = await _output(engine, request_of("sh", "-c", command))
    status = dict(line.split(":\t") for line in output.splitlines()[:3])
    bounding = int(status["CapBnd"], 16)
    assert bounding.bit_count() == len(CAPABILITIES)
    assert not bounding & 1 << 13, "NET_RAW"
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # by a filter: the Engine's own
    assert "init" in output.splitlines()[3]


@pytest.mark.parametrize(
    ("entrypoint", "args", "said"),
    [
        (None, None, "entrypoint cmd\n"),
        (None, ["other"], "entrypoint other\n"),
        (["/bin/echo", "mine"], None, "mine\n"),
        (["/bin/echo", "mine"], ["more"], "mine more\n"),
    ],
)
async def test_a_command_replaces_the_images_own_entrypoint_and_cmd(
    engine: DockerEngine,
    request_of: RequestOf,
    speaking_image: str,
    entrypoint: list[str] | None,
    args: list[str] | None,
    said: str,
) -> None:
    request = request_of(image=speaking_image, entrypoint=entrypoint, args=args)
    assert await _output(engine, request) == said


async def test_in_a_read_only_container_volumes_tmp_and_kept_folders_can_be_written(
    engine: DockerEngine, eye: docker.DockerClient, volume: str, request_of: RequestOf, label: str
) -> None:
    await engine.create_volume(volume, {"runsd-test": label})
    command = "for d in / /etc /run/kept /data /tmp /dev/shm; do touch $d/file && echo $d; done; exit 0"
    request = request_of(
        "sh", "-c", command, read_only=True, kept=["/run/kept"], mounts=[Mount(volume, "/data", False)]
    )
    assert (await _output(engine, request)).split() == ["/run/kept", "/data", "/tmp", "/dev/shm"]
    container = eye.containers.get(request.name)
    (nameless,) = [mount["Name"] for mount in container.attrs["Mounts"] if mount["Name"] != volume]
    assert await engine.take_file(request.name, "/run/kept/file", most_bytes=1) == b""
    await engine.remove(request.name)
    assert nameless not in {found.name for found in eye.volumes.list()}


async def test_a_volume_may_be_the_tmp_of_a_read_only_container(
    engine: DockerEngine, volume: str, request_of: RequestOf, label: str
) -> None:
    await engine.create_volume(volume, {"runsd-test": label})
    mounts = [Mount(volume, "/tmp", False)]
    request = request_of("sh", "-c", "touch /tmp/file && echo ok", read_only=True, mounts=mounts)
    assert await _output(engine, request) == "ok\n"


async def test_runtime_and_processes_are_the_hosts_choice(
    engine_host: str, eye: docker.DockerClient, request_of: RequestOf
) -> None:
    confined = DockerEngine.at(engine_host, Confinement(runtime="io.containerd.runc.v2", max_processes=17))
    unknown = DockerEngine.at(engine_host, Confinement(runtime="none-such"))
    try:
        host = eye.containers.get(await confined.create(request_of("true"))).attrs["HostConfig"]
        assert (host["Runtime"], host["PidsLimit"]) == ("io.containerd.runc.v2", 17)
        with pytest.raises(EngineRefused, match="none-such"):
            await unknown.create(request_of("true"))
    finally:
        await confined.close()
        await unknown.close()


async def test_more_cpus_than_the_host_has_are_refused_in_the_engines_words(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    with pytest.raises(EngineRefused, match="CPUs available") as refusal:
        await engine.create(request_of("true", cpu_milli=10_000_000))
    assert refusal.value.status == 400


async def _output(engine: DockerEngine, request: ContainerRequest) -> str:
    container = await engine.create(request)
    await engine.start(container)
    await engine.wait(container)
    async with engine.logs(container, follow=False) as pieces:
        return b"".join([data async for stream, data in pieces if stream is Stream.STDOUT]).decode()
