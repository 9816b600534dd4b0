"""Tasks over HTTP: save a run under a name, edit it, start it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from runsd_sdk.fields import merged
from runsd_sdk.spec import RunSpec
from runsd_sdk.task import Task, TaskList, TaskPatch, TaskSpec, TaskVersionList
from runsd_sdk.wire import Body

from runsd.api import programs, runs
from runsd.api.call import Call, Reply, validated
from runsd.errors import Refused
from runsd.store.idempotency import Key
from runsd.store.runs import TaskRef


class _Holder(Body):
    """A spec in its place, for the sake of where its errors are."""

    spec: RunSpec


async def create(call: Call) -> Reply:
    """Save a run as a task."""
    body: TaskSpec = call.body
    spec = body.spec or await _spec_of_run(call, body.from_run or "")
    await _check(call, spec)
    key = call.idempotency_key
    kept = None if key is None else Key(key, call.fingerprint(body.wire()))
    with _in_spec():
        created = await call.services.tasks.create(call.project, body.name, spec, key=kept)
    status, headers = runs.created(replayed=created.replayed)
    return Reply(created.task, status, {**headers, "Location": f"/v1/tasks/{created.task.id}"})


async def page(call: Call) -> Reply:
    """List the tasks."""
    return Reply(TaskList(data=await call.services.tasks.list(call.project)))


async def get(call: Call) -> Reply:
    """Return a task by id or name."""
    return Reply(await call.services.tasks.get(call.project, call.id))


async def versions(call: Call) -> Reply:
    """List the versions of a task, newest first."""
    return Reply(TaskVersionList(data=await call.services.tasks.versions(call.project, call.id)))


async def change(call: Call) -> Reply:
    """Rename a task, or change its spec, which makes a version."""
    body: TaskPatch = call.body
    before = await call.services.tasks.get(call.project, call.id)
    if body.version is not None:
        before = before.model_copy(update={"version": body.version})
    spec = await _changed(call, before, body)
    with _in_spec():
        return Reply(await call.services.tasks.change(before, name=body.name, spec=spec))


async def delete(call: Call) -> Reply:
    """Forget a task; its runs stay."""
    await call.services.tasks.delete(call.project, call.id)
    return Reply(status=HTTPStatus.NO_CONTENT)


async def trigger(call: Call) -> Reply:
    """Start a run of a task, with overrides."""
    task = await call.services.tasks.get(call.project, call.id)
    patch: dict[str, Any] = call.body.root
    spec = validated(RunSpec, json.dumps(merged(task.spec.wire(), patch)).encode())
    return await runs.submit(
        call, named(spec, task), patch, trigger="manual", task=TaskRef(task.id, task.version)
    )


def named(spec: RunSpec, task: Task) -> RunSpec:
    """Return the spec of a run of a task, which has the task's name if it has none of its own."""
    return spec if spec.name is not None else spec.model_copy(update={"name": task.name})


async def _changed(call: Call, before: Task, body: TaskPatch) -> RunSpec | None:
    if body.from_run is not None:
        spec = await _spec_of_run(call, body.from_run)
    elif body.spec is not None:
        said = {"spec": merged(before.spec.wire(), body.spec)}
        spec = validated(_Holder, json.dumps(said).encode()).spec
    else:
        return None
    await _check(call, spec)
    return spec


async def _spec_of_run(call: Call, run_id: str) -> RunSpec:
    run = await call.services.runs.get(call.project, run_id)
    return validated(RunSpec, json.dumps(programs.fields_to_change(run.spec, call)).encode())


async def _check(call: Call, spec: RunSpec) -> None:
    """Raise Refused for what this host could never start."""
    with _in_spec():
        full = runs.accepted_spec(call, spec)
        await programs.check_sources(call, [full])


@contextmanager
def _in_spec() -> Iterator[None]:
    """Say of refused fields that they are fields of ``spec``."""
    try:
        yield
    except Refused as failure:
        errors = [(("spec", *loc), remedy) for loc, remedy in failure.errors]
        raise Refused(str(failure), errors=errors, code=failure.code) from failure
