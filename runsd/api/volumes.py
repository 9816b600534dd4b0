"""Volumes over HTTP. The row comes first, the Engine's volume follows."""

import asyncio
from http import HTTPStatus

from runsd_sdk.host import VolumeList

from runsd.api.call import Call, Reply
from runsd.errors import EngineConflict, EngineError
from runsd.supervise.naming import INSTANCE

# A run that has just ended is still on the volume until its container is removed.
_TRIES = 20
_PAUSE_S = 0.25


async def create(call: Call) -> Reply:
    """Make a volume."""
    services = call.services
    volume = await services.volumes.add(call.project, call.body)
    try:
        labels = {INSTANCE: services.instance, "io.runsd.volume": volume.name}
        await services.engine.create_volume(volume.docker_name, labels)
    except EngineError:
        await services.volumes.delete(volume)
        raise
    return Reply(volume, HTTPStatus.CREATED, {"Location": f"/v1/volumes/{volume.id}"})


async def page(call: Call) -> Reply:
    """List the volumes."""
    return Reply(VolumeList(data=list(await call.services.volumes.list(call.project))))


async def get(call: Call) -> Reply:
    """Return a volume by id or name."""
    return Reply(await call.services.volumes.get(call.project, call.id))


async def delete(call: Call) -> Reply:
    """Delete a volume and what is in it."""
    services = call.services
    volume = await services.volumes.get(call.project, call.id)
    await services.volumes.delete(volume)
    try:
        await _remove(call, volume.docker_name)
    except EngineError:
        await services.volumes.restore(volume)
        raise
    return Reply(status=HTTPStatus.NO_CONTENT)


async def _remove(call: Call, docker_name: str) -> None:
    for _ in range(_TRIES):
        try:
            return await call.services.engine.remove_volume(docker_name)
        except EngineConflict:
            await asyncio.sleep(_PAUSE_S)
    return await call.services.engine.remove_volume(docker_name)
