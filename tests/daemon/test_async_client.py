"""``AsyncRunsClient`` beside a daemon: the same surface, with await."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from runsd_sdk import AsyncRunsClient, NotFound
from runsd_sdk.fields import SpecFields
from runsd_sdk.run import Reason, Status

from tests.daemon.harness import ENDED_S, Daemon


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[AsyncRunsClient]:
    async with AsyncRunsClient(f"unix://{daemon.socket}") as client:
        yield client


async def test_a_run_is_submitted_followed_and_waited_for(daemon: Daemon, client: AsyncRunsClient) -> None:
    handle = await client.create(**daemon.spec("sh", "-c", "echo out; echo err >&2; exit 3"))
    entries = [entry async for entry in handle.logs(follow=True)]
    result = await handle.wait(ENDED_S)
    assert sorted((entry.stream, entry.data) for entry in entries) == [
        ("stderr", b"err\n"), ("stdout", b"out\n")
    ]  # fmt: skip
    assert (result.status, result.exit_code) == (Status.FAILED, 3)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert await handle.result() == result == await client.result(handle.id)


async def test_waits_of_several_tasks_share_a_client(daemon: Daemon, client: AsyncRunsClient) -> None:
    handles = await client.create_batch([daemon.spec("sh", "-c", f"exit {code}") for code in (0, 1, 2)])
    results = await asyncio.gather(*(handle.wait(ENDED_S) for handle in handles))
    assert [result.exit_code for result in results] == [0, 1, 2]


async def test_a_map_yields_results_in_the_order_of_its_overrides(
    daemon: Daemon, client: AsyncRunsClient
) -> None:
    spec = daemon.spec("sh", "-c", "sleep 0.$((3 - N)); echo fold $N")
    over: list[SpecFields] = [{"env": {"N": str(n)}} for n in (1, 2)]
    assert [result.stdout async for result in client.map(over, **spec)] == ["fold 1\n", "fold 2\n"]


async def test_a_live_run_is_cancelled(daemon: Daemon, client: AsyncRunsClient) -> None:
    handle = await client.create(**daemon.spec("sleep", "60", stop_grace_seconds=0))
    await handle.cancel()
    result = await handle.wait(ENDED_S)
    assert (result.status, result.reason) == (Status.CANCELLED, Reason.CANCELLED)
    assert (await client.why(handle.id)).reason is Reason.CANCELLED


async def test_a_volume_is_made_used_and_deleted(daemon: Daemon, client: AsyncRunsClient) -> None:
    volume = await client.volumes.create("async-kept", labels={"a": "b"})
    try:
        assert await client.volumes.get("async-kept") == volume
        assert volume.id in [each.id for each in await client.volumes.list()]
        mounts = [{"volumeId": volume.id, "mountPath": "/kept"}]
        for script, expected in (("echo there > /kept/file", ""), ("cat /kept/file", "there\n")):
            spec = daemon.spec("sh", "-c", script, volume_mounts=mounts)
            assert (await client.create_and_wait(check=True, timeout=ENDED_S, **spec)).stdout == expected
    finally:
        await client.volumes.delete(volume.id)
    with pytest.raises(NotFound):
        await client.volumes.get(volume.id)
