"""Hooks over HTTP: an address for a task, and what comes to it from outside."""

import time
from dataclasses import replace
from http import HTTPStatus

import structlog
from runsd_sdk.spec import RunSpec
from runsd_sdk.task import HookReceipt, HookSpec, NewHook

from runsd import acts, hook
from runsd.api import runs
from runsd.api.call import MIB, Call, Reply, read_body
from runsd.clock import instant
from runsd.errors import Conflicting, Full, NotNow, Refused, SecretsLocked, TooOften, Unknown, Unsigned
from runsd.hook import Payload
from runsd.store.hooks import Delivered, Hook

ANY = "*/*"
log = structlog.get_logger()


async def create(call: Call) -> Reply:
    """Give a task an address at which anybody who knows it starts the task; the one before ends."""
    body: HookSpec = call.body
    task = await call.services.tasks.get(call.project, call.id)
    acts.about(call.project, task.id)
    if body.secret is not None:
        await _check_secret(call, body.secret)
    call.services.disk.check("make this hook")
    token = await call.services.hooks.open(task.id, secret=body.secret)
    now = instant(call.services.clock())
    made = NewHook(token=token, path=path(token), secret=body.secret, created_at=now)
    return Reply(made, HTTPStatus.CREATED, {"Location": f"/v1/tasks/{task.id}"})


async def delete(call: Call) -> Reply:
    """Take a task's address away."""
    task = await call.services.tasks.get(call.project, call.id)
    acts.about(call.project, task.id)
    await call.services.hooks.close(task.id)
    return Reply(status=HTTPStatus.NO_CONTENT)


async def receive(call: Call) -> Reply:
    """Start a task from outside; the body's bytes reach the run, whatever they are."""
    found = await _found(call, call.request.match_info["token"])
    body = await read_body(call.request, MIB)
    if found.secret is not None:
        await _verify(call, found, found.secret, body)
    delivery = hook.delivery_of(call.request.headers)
    delivered = await call.services.hooks.known(found, delivery)
    if delivered is None:
        delivered = await _deliver(
            replace(call, project=found.project),
            found,
            Payload(body, hook.told(call.request.headers)),
            delivery,
        )
    status, headers = runs.created(replayed=delivered.run is None)
    return Reply(HookReceipt(run_id=delivered.run_id), status, headers)


def path(token: str) -> str:
    """Return the address of a hook on this daemon."""
    return f"/v1/hooks/{token}"


async def _found(call: Call, token: str) -> Hook:
    """Return the hook of a token. Raises Unknown, and TooOften where that comes from one address too often.

    A right token is heard all the same: nobody is kept out by what others do at the same address.
    """
    try:
        return await call.services.hooks.find(token)
    except Unknown as failure:
        remote = call.request.remote
        if not remote:  # on the socket, where it is a user of this host
            raise
        wait_s = call.services.hook_failures.add(remote, time.monotonic())
        if wait_s:
            said = "cannot find this hook: there were too many from your address that are none; wait"
            raise TooOften(said, after_s=wait_s) from failure
        log.warning("hook.unknown", remote=remote)
        raise


async def _verify(call: Call, found: Hook, secret: str, body: bytes) -> None:
    value = await call.services.secrets.value(found.project, secret)
    if value is None:
        log.warning("hook.secret_missing", task=found.task_id, secret=secret)
        said = "the hook's secret is not there; tell its owner, and send it again"
        raise NotNow(f"cannot verify this delivery: {said}")
    try:
        hook.verify(value, call.request.headers, body, present_us=call.services.clock())
    except Unsigned as failure:
        log.warning("hook.unsigned", task=found.task_id, error=str(failure))
        raise


async def _deliver(call: Call, found: Hook, payload: Payload, delivery: str | None) -> Delivered:
    services = call.services
    try:
        spec = await _accepted(call, found)
        delivered = await services.hooks.deliver(
            found, spec, payload, delivery=delivery, check=services.disk.check
        )
    except (Refused, SecretsLocked) as failure:  # whoever knows the address need not know what is behind it
        log.warning("hook.refused", task=found.task_id, error=str(failure))
        said = "what it runs is refused; its owner learns why by starting it, and from the daemon's log"
        raise Conflicting(f"cannot start the task: {said}", code="task_refused") from failure
    except Full as failure:
        log.warning("hook.full", task=found.task_id, error=str(failure))
        raise NotNow("cannot start the task now: its project has no room; send it again") from failure
    if delivered.run is not None:
        runs.announce(call, [delivered.run], replayed=False)
    return delivered


async def _accepted(call: Call, found: Hook) -> RunSpec:
    if isinstance(found.spec, Refused):
        raise found.spec
    spec = await call.services.acceptance.one(call.project, found.spec)
    return spec if spec.name is not None else spec.model_copy(update={"name": found.name})


async def _check_secret(call: Call, name: str) -> None:
    if await call.services.secrets.value(call.project, name) is None:
        said = f"there is no secret {name!r}; set it with PUT /v1/secrets/{name}"
        raise Refused(f"cannot make this hook: {said}", errors=[(("secret",), said)])
