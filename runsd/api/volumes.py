"""Volumes over HTTP."""

from http import HTTPStatus

from runsd_sdk.host import VolumeList

from runsd.api.call import Call, Reply


async def create(call: Call) -> Reply:
    """Make a volume."""
    volume = await call.services.engine_volumes.make(call.project, call.body)
    return Reply(volume, HTTPStatus.CREATED, {"Location": f"/v1/volumes/{volume.id}"})


async def page(call: Call) -> Reply:
    """List the volumes."""
    return Reply(VolumeList(data=list(await call.services.volumes.list(call.project))))


async def get(call: Call) -> Reply:
    """Return a volume by id or name."""
    return Reply(await call.services.volumes.get(call.project, call.id))


async def delete(call: Call) -> Reply:
    """Delete a volume and what is in it."""
    volume = await call.services.volumes.get(call.project, call.id)
    await call.services.engine_volumes.remove(volume)
    return Reply(status=HTTPStatus.NO_CONTENT)
