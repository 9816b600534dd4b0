"""Volumes in the store: one per name, found by id or name, kept while they are in use."""

import asyncio

import pytest
from runsd_sdk.run import Phase
from runsd_sdk.spec import VolumeMount, VolumeSpec

from runsd.errors import Conflicting, Unknown
from tests.store.desk import PROJECT, Desk


def mounted(volume: str) -> list[VolumeMount]:
    return [VolumeMount(volume_id=volume, mount_path=path) for path in ("/a", "/b")]


async def test_a_volume_is_found_by_id_and_by_name(desk: Desk) -> None:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache", labels={"k": "v"}))
    assert volume.id.startswith("vol_")
    assert volume.docker_name == f"runsd-{volume.id.replace('_', '-')}"
    assert (volume.labels, volume.live_runs) == ({"k": "v"}, 0)
    assert await desk.volumes.get(PROJECT, "cache") == volume
    assert await desk.volumes.get(PROJECT, volume.id) == volume
    assert await desk.volumes.docker_names([volume.id, "vol_none"]) == {volume.id: volume.docker_name}
    with pytest.raises(Unknown, match="list them with GET /v1/volumes"):
        await desk.volumes.get(PROJECT, "other")
    with pytest.raises(Unknown):
        await desk.volumes.get("other", "cache")


async def test_a_name_is_given_once_also_to_ten_at_once(desk: Desk) -> None:
    adding = [desk.volumes.add(PROJECT, VolumeSpec(name="cache")) for _ in range(10)]
    added = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(isinstance(one, Conflicting) for one in added) == 9
    assert [volume.name for volume in await desk.volumes.list(PROJECT)] == ["cache"]


async def test_volumes_are_listed_by_name(desk: Desk) -> None:
    for name in ("b", "a", "c"):
        await desk.volumes.add(PROJECT, VolumeSpec(name=name))
    assert [volume.name for volume in await desk.volumes.list(PROJECT)] == ["a", "b", "c"]
    assert await desk.volumes.list("other") == []


async def test_a_volume_that_a_run_waits_for_or_uses_cannot_be_deleted(desk: Desk) -> None:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache"))
    queued = await desk.submit(volume_mounts=mounted("cache"))
    live = await desk.running(volume_mounts=mounted(volume.id))
    used = await desk.volumes.get(PROJECT, "cache")
    assert used.live_runs == 2
    with pytest.raises(Conflicting, match="runs that are not over use it") as caught:
        await desk.volumes.delete(used)
    assert caught.value.code == "volume_in_use"
    await desk.runs.cancel(PROJECT, queued.id)
    with pytest.raises(Conflicting):
        await desk.volumes.delete(used)
    await desk.attempts.finish(live, desk.ended(live))
    assert (await desk.volumes.get(PROJECT, "cache")).live_runs == 0
    await desk.volumes.delete(used)
    with pytest.raises(Unknown):
        await desk.volumes.get(PROJECT, "cache")


async def test_a_run_outlives_its_volume_and_still_says_which_it_was(desk: Desk) -> None:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache"))
    run = await desk.finished(volume_mounts=mounted("cache"))
    await desk.volumes.delete(volume)
    assert (await desk.get(run.id)).spec.volume_mounts[0].volume_id == volume.id


async def test_a_volume_that_the_engine_kept_is_put_back_as_it_was(desk: Desk) -> None:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache", labels={"k": "v"}))
    await desk.volumes.delete(volume)
    await desk.volumes.restore(volume)
    assert await desk.volumes.get(PROJECT, volume.id) == volume


async def test_deleting_runs_leaves_their_volume(desk: Desk) -> None:
    await desk.volumes.add(PROJECT, VolumeSpec(name="cache"))
    run = await desk.finished(volume_mounts=mounted("cache"))
    assert run.phase is Phase.FINISHED
    await desk.runs.forget(PROJECT, run.id)
    assert len(await desk.volumes.list(PROJECT)) == 1


async def test_a_volume_that_somebody_else_deleted_is_unknown(desk: Desk) -> None:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache"))
    await desk.volumes.delete(volume)
    with pytest.raises(Unknown):
        await desk.volumes.delete(volume)
