"""API keys over HTTP: whoever is an admin of a project says who else may use it over TCP."""

from http import HTTPStatus

import structlog
from runsd_sdk.key import KeyList

from runsd.access import key_name
from runsd.api.call import Call, Reply

log = structlog.get_logger()


async def create(call: Call) -> Reply:
    """Make a key of the project; its token is told this once."""
    key = await call.services.keys.create(call.project, call.body)
    log.info("key.created", key=key.id, project=key.project, access=key.access.value, by=call.caller.name)
    call.services.signals.notify("keys")
    return Reply(key, HTTPStatus.CREATED, {"Location": f"/v1/keys/{key.id}", "Cache-Control": "no-store"})


async def page(call: Call) -> Reply:
    """List the keys of the project, without their tokens."""
    return Reply(KeyList(data=list(call.services.keys.all(call.project))))


async def get(call: Call) -> Reply:
    """Return a key, without its token."""
    return Reply(call.services.keys.get(call.project, call.id))


async def delete(call: Call) -> Reply:
    """Delete a key: it opens nothing from now on."""
    await call.services.keys.delete(call.project, call.id)
    call.services.connections.cut(call.project, key_name(call.id), spare=call.request.transport)
    log.info("key.deleted", key=call.id, project=call.project, by=call.caller.name)
    call.services.signals.notify("keys")
    return Reply(status=HTTPStatus.NO_CONTENT)
