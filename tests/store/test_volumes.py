"""Volumes in the store: one per name, found by id or name, kept while they are in use."""

import asyncio

import pytest
from runsd_sdk.host import Volume
from runsd_sdk.run import Phase
from runsd_sdk.spec import VolumeMount, VolumeSpec

from runsd.errors import Conflicting, Refused, Unknown
from tests.store.desk import PROJECT, Desk


def mounted(volume: str) -> list[VolumeMount]:
    return [VolumeMount(volume_id=volume, mount_path=path) for path in ("/a", "/b")]


async def test_a_volume_is_found_by_id_and_by_name(desk: Desk) -> None:
    volume = await desk.volume("cache", k="v")
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
    adding = [desk.volume("cache") for _ in range(10)]
    added = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(isinstance(one, Conflicting) for one in added) == 9
    assert [volume.name for volume in await desk.volumes.list(PROJECT)] == ["cache"]


async def test_volumes_are_listed_by_name(desk: Desk) -> None:
    for name in ("b", "a", "c"):
        await desk.volume(name)
    assert [volume.name for volume in await desk.volumes.list(PROJECT)] == ["a", "b", "c"]
    assert await desk.volumes.list("other") == []


async def test_a_volume_that_a_run_waits_for_or_uses_cannot_be_deleted(desk: Desk) -> None:
    volume = await desk.volume("cache")
    queued = await desk.submit(volume_mounts=mounted("cache"))
    live = await desk.running(volume_mounts=mounted(volume.id))
    used = await desk.volumes.get(PROJECT, "cache")
    assert used.live_runs == 2
    with pytest.raises(Conflicting, match=f"them: {queued.id}, {live.id}$") as caught:
        await desk.volumes.discard(used)
    assert caught.value.code == "volume_in_use"
    await desk.runs.cancel(PROJECT, queued.id)
    with pytest.raises(Conflicting):
        await desk.volumes.discard(used)
    await desk.attempts.finish(live, desk.ended(live))
    assert (await desk.volumes.get(PROJECT, "cache")).live_runs == 0
    await desk.volumes.discard(used)
    with pytest.raises(Unknown):
        await desk.volumes.get(PROJECT, "cache")


async def test_a_run_outlives_its_volume_and_still_says_which_it_was(desk: Desk) -> None:
    volume = await desk.volume("cache")
    run = await desk.finished(volume_mounts=mounted("cache"))
    await desk.volumes.discard(volume)
    assert (await desk.get(run.id)).spec.volume_mounts[0].volume_id == volume.id


async def test_a_volume_that_is_being_made_is_seen_by_nobody(desk: Desk) -> None:
    volume = await desk.volumes.add(PROJECT, VolumeSpec(name="cache", labels={"k": "v"}))
    await is_seen_by_nobody(desk, volume)
    await desk.volumes.keep(volume)
    assert await desk.volumes.get(PROJECT, "cache") == volume
    assert await desk.volumes.discarded() == []


async def test_a_volume_that_is_being_removed_is_seen_by_nobody(desk: Desk) -> None:
    volume = await desk.volume("cache")
    await desk.volumes.discard(volume)
    await is_seen_by_nobody(desk, volume)
    await desk.volumes.forget(volume)
    assert await desk.volumes.discarded() == []
    assert (await desk.volume("cache")).id != volume.id


async def test_a_volume_that_the_engine_kept_is_seen_again_as_it_was(desk: Desk) -> None:
    volume = await desk.volume("cache", k="v")
    await desk.volumes.discard(volume)
    await desk.volumes.keep(volume)
    assert await desk.volumes.get(PROJECT, volume.id) == volume


async def test_only_what_is_being_removed_is_forgotten(desk: Desk) -> None:
    volume = await desk.volume("cache")
    await desk.volumes.forget(volume)
    assert await desk.volumes.get(PROJECT, "cache") == volume


async def test_deleting_runs_leaves_their_volume(desk: Desk) -> None:
    await desk.volume("cache")
    run = await desk.finished(volume_mounts=mounted("cache"))
    assert run.phase is Phase.FINISHED
    await desk.runs.forget(PROJECT, run.id)
    assert len(await desk.volumes.list(PROJECT)) == 1


async def test_a_volume_that_somebody_else_deleted_is_unknown(desk: Desk) -> None:
    volume = await desk.volume("cache")
    await desk.volumes.discard(volume)
    with pytest.raises(Unknown):
        await desk.volumes.discard(volume)


async def is_seen_by_nobody(desk: Desk, volume: Volume) -> None:
    assert await desk.volumes.discarded() == [volume]
    assert await desk.volumes.is_discarded(volume)
    assert await desk.volumes.list(PROJECT) == []
    assert await desk.volumes.docker_names([volume.id]) == {}
    for wanted in (volume.id, volume.name):
        with pytest.raises(Unknown):
            await desk.volumes.get(PROJECT, wanted)
        with pytest.raises(Refused):
            await desk.submit(volume_mounts=mounted(wanted))
    with pytest.raises(Conflicting, match="is being made or removed; try again"):
        await desk.volumes.add(PROJECT, VolumeSpec(name=volume.name))
