"""Create, start, wait, kill and remove, with the surprises that the real Engine has."""

import asyncio
import time
from dataclasses import replace

import docker
import pytest

from runsd.engine.docker import DockerEngine
from runsd.engine.init import exec_failure
from runsd.engine.port import ContainerState, Mount, Stream
from runsd.errors import EngineConflict, EngineNotFound, EngineRefused
from tests.engine.conftest import RequestOf


async def test_a_run_to_completion_has_its_exit_code_and_times(
    engine: DockerEngine, eye: docker.DockerClient, request_of: RequestOf
) -> None:
    before = time.time_ns() // 1000
    # Not an instant exit: the Engine may record one as finished before it was started (moby#45445).
    container = await engine.create(request_of("sh", "-c", "sleep 0.1; exit 3"))
    created = await engine.inspect(container)
    assert created is not None
    assert (created.state, created.started_us, created.finished_us) == (ContainerState.CREATED, None, None)
    await engine.start(container)
    await engine.wait(container)
    exited = await engine.inspect(container)
    assert exited is not None
    assert (exited.state, exited.exit_code, exited.oom_killed) == (ContainerState.EXITED, 3, False)
    assert exited.started_us is not None
    assert exited.finished_us is not None
    assert before <= exited.started_us <= exited.finished_us <= time.time_ns() // 1000
    recorded = eye.containers.get(container).attrs["State"]["StartedAt"]  # …T04:16:18.123456789Z
    assert exited.started_us % 1_000_000 == int(recorded.rpartition(".")[2].rstrip("Z").ljust(9, "0")[:6])


@pytest.mark.parametrize(
    ("command", "exit_code", "said"),
    [
        ("no-such-command", 127, "cannot execute no-such-command: no such file or directory"),
        ("/etc/passwd", 126, "cannot execute /etc/passwd: permission denied"),
    ],
)
async def test_a_command_that_cannot_be_executed_is_told_by_the_init_process(
    engine: DockerEngine, request_of: RequestOf, command: str, exit_code: int, said: str
) -> None:
    container = await engine.create(request_of(command))
    async with engine.attach(container) as pieces:
        await engine.start(container)
        output = [piece async for piece in pieces]
    await engine.wait(container)
    facts = await engine.inspect(container)
    assert facts is not None
    assert (facts.state, facts.exit_code) == (ContainerState.EXITED, exit_code)
    assert {stream for stream, _ in output} == {Stream.STDERR}
    assert exec_failure(facts.exit_code, b"".join(data for _, data in output)) == said


async def test_a_shells_127_is_the_programs_own(engine: DockerEngine, request_of: RequestOf) -> None:
    container = await engine.create(request_of("sh", "-c", "no-such-command"))
    async with engine.attach(container) as pieces:
        await engine.start(container)
        output = b"".join([data async for _, data in pieces])
    assert b"no-such-command" in output
    assert exec_failure(127, output) is None


async def test_a_start_that_fails_is_refused_in_the_engines_words(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("true", user="nobody-here"))
    with pytest.raises(EngineRefused, match="nobody-here"):
        await engine.start(container)
    facts = await engine.inspect(container)
    assert facts is not None
    assert facts.state is ContainerState.CREATED
    assert "nobody-here" in facts.error
    assert facts.started_us is None


async def test_a_missing_image_is_not_found(engine: DockerEngine, request_of: RequestOf) -> None:
    with pytest.raises(EngineNotFound, match="No such image") as refusal:
        await engine.create(request_of("true", image="runsd-test/absent:1"))
    assert refusal.value.status == 404
    assert await engine.image("runsd-test/absent:1") is None


async def test_create_twice_adopts_our_own_container(engine: DockerEngine, request_of: RequestOf) -> None:
    request = request_of("true")
    assert await engine.create(request) == await engine.create(request)


async def test_create_never_adopts_a_strangers_container(engine: DockerEngine, request_of: RequestOf) -> None:
    request = request_of("true")
    await engine.create(request)
    with pytest.raises(EngineConflict, match="already in use"):
        await engine.create(replace(request, labels={**request.labels, "attempt": "2"}))


async def test_start_never_runs_a_container_twice(
    engine: DockerEngine, eye: docker.DockerClient, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("echo", "once"))
    await engine.start(container)
    await engine.start(container)
    await engine.wait(container)
    first = await engine.inspect(container)
    await engine.start(container)
    assert await engine.inspect(container) == first
    assert eye.containers.get(container).logs() == b"once\n"


async def test_start_of_a_container_that_is_gone_is_not_found(engine: DockerEngine) -> None:
    with pytest.raises(EngineNotFound):
        await engine.start("runsd-test-no-such-container")


async def test_wait_lasts_until_the_exit_and_answers_at_once_afterwards(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sleep", "60"))
    await engine.start(container)
    waiting = asyncio.create_task(engine.wait(container))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    assert await engine.kill(container, "SIGKILL")
    await asyncio.wait_for(waiting, 10)
    await asyncio.wait_for(engine.wait(container), 5)
    await engine.remove(container)
    with pytest.raises(EngineNotFound):
        await engine.wait(container)


async def test_a_container_removed_while_waited_for_ends_the_wait(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sleep", "60"))
    await engine.start(container)
    waiting = asyncio.create_task(engine.wait(container))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await engine.remove(container)
    await asyncio.wait_for(waiting, 10)
    assert await engine.inspect(container) is None


async def test_a_cancelled_wait_leaves_the_container_running(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sleep", "60"))
    await engine.start(container)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.wait(container), 0.1)
    facts = await engine.inspect(container)
    assert facts is not None
    assert facts.state is ContainerState.RUNNING
    assert facts.pid > 0


async def test_kill_says_whether_there_was_something_to_kill(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sh", "-c", "trap 'exit 7' TERM; echo ready; sleep 60 & wait"))
    async with engine.attach(container) as pieces:
        assert not await engine.kill(container, "SIGTERM")
        await engine.start(container)
        assert (await anext(pieces))[1] == b"ready\n"
        assert await engine.kill(container, "SIGTERM")
        await engine.wait(container)
    facts = await engine.inspect(container)
    assert facts is not None
    assert facts.exit_code == 7
    assert not await engine.kill(container, "SIGKILL")
    await engine.remove(container)
    assert not await engine.kill(container, "SIGKILL")


async def test_an_unknown_signal_is_refused(engine: DockerEngine, request_of: RequestOf) -> None:
    container = await engine.create(request_of("sleep", "60"))
    await engine.start(container)
    with pytest.raises(EngineRefused, match="SIGNOTHING"):
        await engine.kill(container, "SIGNOTHING")


async def test_remove_ends_a_running_container_and_may_be_repeated(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sleep", "60"))
    await engine.start(container)
    await asyncio.gather(*(engine.remove(container) for _ in range(4)))
    await engine.remove(container)
    assert await engine.inspect(container) is None


async def test_remove_never_touches_a_volume(
    engine: DockerEngine, volume: str, request_of: RequestOf, label: str
) -> None:
    await engine.create_volume(volume, {"runsd-test": label})
    container = await engine.create(request_of("true", mounts=[Mount(volume, "/data", False)]))
    with pytest.raises(EngineConflict, match="in use"):
        await engine.remove_volume(volume)
    await engine.remove(container)
    assert await engine.volume_exists(volume)


async def test_a_volume_is_made_once_and_removed_once(
    engine: DockerEngine, eye: docker.DockerClient, volume: str, label: str
) -> None:
    assert not await engine.volume_exists(volume)
    await engine.create_volume(volume, {"runsd-test": label})
    await engine.create_volume(volume, {"runsd-test": "another"})
    assert eye.volumes.get(volume).attrs["Labels"] == {"runsd-test": label}
    await engine.remove_volume(volume)
    await engine.remove_volume(volume)
    assert not await engine.volume_exists(volume)


async def test_the_list_holds_exactly_what_bears_all_labels(
    engine: DockerEngine, request_of: RequestOf, label: str
) -> None:
    one = request_of("true", labels={"runsd-test": label, "kind": "one"})
    two = request_of("true", labels={"runsd-test": label, "kind": "two"})
    made = [await engine.create(request) for request in (one, two)]
    assert {found.id for found in await engine.containers({"runsd-test": label})} == set(made)
    (found,) = await engine.containers({"runsd-test": label, "kind": "two"})
    assert (found.id, found.name, found.state) == (made[1], two.name, "created")
    assert two.labels.items() <= found.labels.items()
    assert abs(found.created_us - time.time_ns() // 1000) < 60_000_000


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [("exec tail /dev/zero", 137), ("tail /dev/zero; exit 0", 0)],
    ids=["the main process", "a child of a process that exits 0"],
)
async def test_out_of_memory_is_a_fact_of_its_own(
    engine: DockerEngine, request_of: RequestOf, script: str, exit_code: int
) -> None:
    container = await engine.create(request_of("sh", "-c", script, memory_bytes=16 * 1024**2))
    await engine.start(container)
    await engine.wait(container)
    facts = await engine.inspect(container)
    assert facts is not None
    assert (facts.exit_code, facts.oom_killed) == (exit_code, True)


async def test_a_sample_is_taken_only_of_a_running_container(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sh", "-c", "i=0; while :; do i=$((i+1)); done"))
    assert await engine.sample(container) is None
    await engine.start(container)
    first = await engine.sample(container)
    assert first is not None
    assert 0 < first.memory_bytes < 64 * 1024**2
    while (later := await engine.sample(container)) is not None and later.cpu_us < first.cpu_us + 50_000:
        pass
    assert later is not None
    await engine.kill(container, "SIGKILL")
    await engine.wait(container)
    assert await engine.sample(container) is None
    await engine.remove(container)
    assert await engine.sample(container) is None


async def test_remove_takes_the_images_own_volumes_and_spares_named_ones(
    engine: DockerEngine, eye: docker.DockerClient, request_of: RequestOf, volume: str, keeping_image: str
) -> None:
    mounts = [Mount(volume, "/named", read_only=False)]
    container = await engine.create(request_of("true", image=keeping_image, mounts=mounts))
    mounted = eye.containers.get(container).attrs["Mounts"]
    nameless = {mount["Name"] for mount in mounted} - {volume}
    assert len(nameless) == 1
    await engine.remove(container)
    left = {found.name for found in eye.volumes.list()}
    assert volume in left
    assert not nameless & left


async def test_the_facts_are_the_engines_own(engine: DockerEngine, eye: docker.DockerClient) -> None:
    await engine.ping()
    facts, info = await engine.facts(), eye.info()
    assert facts.version == info["ServerVersion"]
    assert (facts.cpus, facts.memory_bytes) == (info["NCPU"], info["MemTotal"])
    assert (facts.cgroup_driver, str(facts.cgroup_version)) == (info["CgroupDriver"], info["CgroupVersion"])
    assert facts.root_dir == info["DockerRootDir"]
    assert abs(facts.system_time_us - time.time_ns() // 1000) < 60_000_000
