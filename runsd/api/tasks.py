"""Tasks over HTTP: save a run under a name, edit it, start it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from runsd_sdk.fields import merged
from runsd_sdk.spec import RunSpec
from runsd_sdk.task import NewHook, ScheduleSpec, Task, TaskList, TaskPatch, TaskSpec, TaskVersionList
from runsd_sdk.wire import Body

from runsd import cron
from runsd.api import hooks, programs, runs
from runsd.api.call import Call, Reply, validated
from runsd.errors import Location, Refused
from runsd.store.hooks import new_token
from runsd.store.idempotency import Key
from runsd.store.runs import Origin, TaskRef

_SETTINGS = ScheduleSpec(cron="* * * * *").model_dump(by_alias=True).keys()


class _Holder(Body):
    """A spec or a schedule in its place, for the sake of where its errors are."""

    spec: RunSpec | None = None
    schedule: ScheduleSpec | None = None


async def create(call: Call) -> Reply:
    """Save a run as a task."""
    body: TaskSpec = call.body
    spec = body.spec or await _spec_of_run(call, body.from_run or "")
    await _check(call, spec)
    _check_schedule(call, body.schedule)
    key = call.idempotency_key
    kept = None if key is None else Key(key, call.fingerprint(body.wire()))
    with _in_spec():
        token = new_token() if body.webhook else None
        created = await call.services.tasks.create(
            call.project, body.name, spec, schedule=body.schedule, token=token, key=kept, check=_room(call)
        )
    call.services.signals.notify("schedules")
    status, headers = runs.created(replayed=created.replayed)
    task = created.task
    if token is not None and task.webhook is not None and not created.replayed:
        told = NewHook(**dict(task.webhook), token=token, path=hooks.path(token))
        task = task.model_copy(update={"webhook": told})
    return Reply(task, status, {**headers, "Location": f"/v1/tasks/{created.task.id}"})


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
    """Rename a task, change its spec, which makes a version, or its schedule."""
    body: TaskPatch = call.body
    before = await call.services.tasks.get(call.project, call.id)
    if body.version is not None:
        before = before.model_copy(update={"version": body.version})
    spec = await _changed(call, before, body)
    schedule = _rescheduled(before, body)
    _check_schedule(call, schedule)
    unscheduled = "schedule" in body.model_fields_set and body.schedule is None
    with _in_spec():
        changed = await call.services.tasks.change(
            before,
            name=body.name,
            spec=spec,
            schedule=schedule,
            unscheduled=unscheduled,
            check=_room(call),
        )
    call.services.signals.notify("schedules")
    return Reply(changed)


async def delete(call: Call) -> Reply:
    """Forget a task; its runs stay."""
    await call.services.tasks.delete(call.project, call.id)
    return Reply(status=HTTPStatus.NO_CONTENT)


async def trigger(call: Call) -> Reply:
    """Start a run of a task, with overrides."""
    task = await call.services.tasks.get(call.project, call.id)
    patch: dict[str, Any] = call.body.root
    said = await call.services.tasks.said(task)
    spec = validated(RunSpec, json.dumps(merged(said, patch)).encode())
    return await runs.submit(
        call, named(spec, task), patch, trigger="manual", origin=Origin(task=TaskRef(task.id, task.version))
    )


def named(spec: RunSpec, task: Task) -> RunSpec:
    """Return the spec of a run of a task, which has the task's name if it has none of its own."""
    return spec if spec.name is not None else spec.model_copy(update={"name": task.name})


async def _changed(call: Call, before: Task, body: TaskPatch) -> RunSpec | None:
    if body.from_run is not None:
        spec = await _spec_of_run(call, body.from_run)
    elif body.spec is not None:
        said = {"spec": merged(await call.services.tasks.said(before), body.spec)}
        spec = validated(_Holder, json.dumps(said).encode()).spec or before.spec
    else:
        return None
    await _check(call, spec)
    return spec


def _rescheduled(before: Task, body: TaskPatch) -> ScheduleSpec | None:
    if body.schedule is None:
        return None
    present = {} if before.schedule is None else before.schedule.wire()
    kept = {name: present[name] for name in _SETTINGS if name in present}
    said = {"schedule": merged(kept, body.schedule)}
    return validated(_Holder, json.dumps(said).encode()).schedule


def _room(call: Call) -> Callable[[], None]:
    return partial(call.services.disk.check, "save this task")


def _check_schedule(call: Call, schedule: ScheduleSpec | None) -> None:
    """Raise Refused for a schedule that names no time."""
    if schedule is None:
        return
    try:
        cron.check(schedule.cron, schedule.timezone, since_us=call.services.clock())
    except cron.CronError as failure:
        at: Location = ("schedule", failure.field)
        raise Refused(f"cannot accept this schedule: {failure}", errors=[(at, str(failure))]) from failure


async def _spec_of_run(call: Call, run_id: str) -> RunSpec:
    run = await call.services.runs.get(call.project, run_id)
    return validated(RunSpec, json.dumps(programs.fields_to_change(run.spec, call)).encode())


async def _check(call: Call, spec: RunSpec) -> None:
    """Raise Refused for what this host could never start."""
    with _in_spec():
        await call.services.acceptance.one(call.project, spec)


@contextmanager
def _in_spec() -> Iterator[None]:
    """Say of refused fields that they are fields of ``spec``."""
    try:
        yield
    except Refused as failure:
        errors = [(("spec", *loc), remedy) for loc, remedy in failure.errors]
        raise Refused(str(failure), errors=errors, code=failure.code) from failure
