"""Tasks: the list of them, one of them, and what its versions changed."""

from typing import Annotated

from pydantic import Field, StringConstraints
from runsd_sdk.host import SecretList, VolumeList
from runsd_sdk.run import RunList
from runsd_sdk.task import Task, TaskList, TaskVersionList

from runsd import cron
from runsd.api import runs, secrets, tasks, volumes
from runsd.api.call import Call, Query
from runsd.clock import instant
from runsd.web.changes import changes
from runsd.web.page import Shown, ask

_RUNS = 20
_NEXT = 5


class PreviewQuery(Query):
    """The schedule of a form, as far as it has been filled in."""

    cron: Annotated[str, StringConstraints(max_length=200), Field(alias="schedule.cron")] = ""
    timezone: Annotated[str, StringConstraints(max_length=64), Field(alias="schedule.timezone")] = ""


async def index(call: Call) -> Shown:
    """Show all tasks, by name."""
    since = await call.services.events.last_id()
    found = await ask(call, tasks.page, TaskList)
    return Shown("tasks.html", {"since": since, "tasks": found.data})


async def show(call: Call) -> Shown:
    """Show a task: what it runs, when, from where, and its newest runs."""
    since = await call.services.events.last_id()
    task = await ask(call, tasks.get, Task)
    newest = await ask(call, runs.page, RunList, runs.RunQuery(task=task.id, limit=_RUNS))
    known = await ask(call, secrets.page, SecretList)
    mounted = await ask(call, volumes.page, VolumeList) if task.spec.volume_mounts else VolumeList(data=[])
    values = {
        "since": since,
        "task": task,
        "said": task.spec.wire(),
        "runs": newest.data,
        "more": newest.next_cursor is not None,
        "secrets": [secret.name for secret in known.data],
        "volumes": {volume.id: volume.name for volume in mounted.data},
    }
    return Shown("task.html", values)


async def versions(call: Call) -> Shown:
    """Show the versions of a task, newest first, each with what it changed."""
    task = await ask(call, tasks.get, Task)
    kept = (await ask(call, tasks.versions, TaskVersionList)).data
    told = [
        (version, changes(before.spec.wire(), version.spec.wire()) if before else None)
        for version, before in zip(kept, [*kept[1:], None], strict=True)
    ]
    return Shown("task_versions.html", {"task": task, "versions": told})


async def preview(call: Call) -> Shown:
    """Show what a schedule means that nobody has saved yet."""
    query: PreviewQuery = call.query
    now_us = call.services.clock()
    try:
        cron.check(query.cron, query.timezone or "UTC", since_us=now_us)
        comes = cron.upcoming(query.cron, query.timezone or "UTC", now_us, _NEXT)
    except cron.CronError as failure:
        said = str(failure) if query.cron.strip() else ""
        return Shown("task_preview.html", {"query": query, "said": said, "next": []})
    return Shown("task_preview.html", {"query": query, "said": None, "next": [instant(at) for at in comes]})
