"""The form of a run: to start one, to start one again with changes, to trigger, make or edit a task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field
from runsd_sdk.host import Info, SecretList, VolumeList
from runsd_sdk.run import Run
from runsd_sdk.spec import RunSpec

from runsd.api import programs, secrets, system, volumes
from runsd.api.call import MIB, Call, Query, read_body, validated
from runsd.api.problems import Invalid, problem_of
from runsd.web.copying import copied
from runsd.web.page import Shown, ask
from runsd.web.serve import address

_Named = Annotated[str, Field(min_length=1, max_length=128)]


class FormQuery(Query):
    """What the form begins with, and what becomes of it; nothing: an empty one, for a run."""

    from_: Annotated[_Named | None, Field(alias="from")] = None
    task: _Named | None = None
    edit: _Named | None = None
    save: Literal["task"] | None = None


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a form is for: its words, the call that it makes, and the page that this leads to.

    ``mode``: ``run``, ``rerun`` and ``trigger`` (whose calls take what has changed), ``save``, ``edit``.
    """

    mode: str
    title: str
    button: str
    call: str
    then: str
    before: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    name: str | None = None
    version: int | None = None
    commit: str | None = None


async def form(call: Call) -> Shown:
    """Show the form of a run."""
    since = await call.services.events.last_id()
    settings = call.services.settings
    return Shown(
        "new.html",
        {
            "since": since,
            "purpose": await _purpose(call),
            "info": await ask(call, system.info, Info),
            "volumes": (await ask(call, volumes.page, VolumeList)).data,
            "secrets": [secret.name for secret in (await ask(call, secrets.page, SecretList)).data],
            "repository": call.services.projects.get(call.project).repository,
            "defaults": settings.defaults,
            "networks": [name for name in settings.network.allow if name != "host"],
            "images": settings.images,
            "user": settings.containers.user,
            "runtime": settings.containers.runtime,
            "runtimes": settings.containers.runtimes,
            "most_upload_bytes": call.services.uploads.max_bytes,
        },
    )


async def copy(call: Call) -> web.StreamResponse:
    """Tell how else a run with the fields of the body could be asked for, or why it could not."""
    try:
        spec = validated(RunSpec, await read_body(call.request, MIB))
    except Invalid as failure:
        return web.json_response({"trouble": problem_of(failure).detail})
    return web.json_response(asdict(copied(spec, address(call.request), call.project)))


async def _purpose(call: Call) -> Purpose:
    query: FormQuery = call.query
    if query.edit is not None:
        return await _edit(call, query.edit)
    if query.task is not None:
        return await _trigger(call, query.task)
    run = None if query.from_ is None else await call.services.runs.get(call.project, query.from_)
    if query.save is not None:
        before = None if run is None else programs.fields_to_change(run.spec, call)
        return Purpose("save", "New task", "Save the task", "POST /v1/tasks", "tasks/{id}", before)
    if run is not None:
        return _rerun(call, run)
    return Purpose("run", "New run", "Start the run", "POST /v1/runs", "runs/{id}")


def _rerun(call: Call, run: Run) -> Purpose:
    notes = ["Only what you change is sent; all else is as it was."]
    if run.source_commit is not None:
        notes.append(
            f"It runs commit {run.source_commit[:12]} of its source again, unless you change the source."
        )
    if run.spec.python is not None:
        notes.append("Its packages are the same versions, unless you change what it depends on.")
    if run.spec.secrets:
        notes.append("Its secrets have the values that they have now.")
    return Purpose(
        "rerun",
        f"Run {run.name or run.id} again",
        "Run again",
        f"POST /v1/runs/{run.id}/rerun",
        "runs/{id}",
        programs.fields_to_change(run.spec, call),
        tuple(notes),
        commit=run.source_commit,
    )


async def _trigger(call: Call, name: str) -> Purpose:
    task = await call.services.tasks.get(call.project, name)
    notes = ("Only what you change is sent; the task stays as it is.",)
    return Purpose(
        "trigger", f"Run {task.name}", "Start the run", f"POST /v1/tasks/{task.id}/trigger", "runs/{id}",
        task.spec.wire(), notes,
    )  # fmt: skip


async def _edit(call: Call, name: str) -> Purpose:
    task = await call.services.tasks.get(call.project, name)
    notes = (f"This is version {task.version}; a change of what runs makes another one.",)
    return Purpose(
        "edit", f"Edit {task.name}", "Save the changes", f"PATCH /v1/tasks/{task.id}", "tasks/{id}",
        task.spec.wire(), notes, name=task.name, version=task.version,
    )  # fmt: skip
