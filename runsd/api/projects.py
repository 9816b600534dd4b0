"""Projects over HTTP: whoever asks sees those that it may use, and an admin of the host says who may."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from runsd_sdk.project import Member, ProjectList, ProjectPatch, ProjectSpec
from runsd_sdk.python import GitSource, SourceSpec

from runsd import peers
from runsd.access import DEFAULT_PROJECT, project_of, user_name
from runsd.api.call import Call, Reply
from runsd.errors import Refused, SourceFailed
from runsd.store.projects import Change


async def page(call: Call) -> Reply:
    """List the projects that the caller may use."""
    projects = call.services.projects.all()
    return Reply(ProjectList(data=[each for each in projects if call.caller.reaches(each.name)]))


async def create(call: Call) -> Reply:
    """Make a project."""
    body: ProjectSpec = call.body
    await _check(call, body.repository)
    members = await _members(body.members)
    project = await call.services.projects.create(
        body.name, members, repository=body.repository, limits=body.limits
    )
    return Reply(project, HTTPStatus.CREATED, {"Location": f"/v1/projects/{project.name}"})


async def get(call: Call) -> Reply:
    """Return a project."""
    return Reply(call.services.projects.get(_named(call)))


async def change(call: Call) -> Reply:
    """Say who may use a project on the host's socket, which repository it has, or what it may have."""
    body: ProjectPatch = call.body
    await _check(call, body.repository)
    change = Change(
        members=None if body.members is None else await _members(body.members),
        limits=body.limits,
        repository=body.repository,
        set_repository="repository" in body.model_fields_set,
    )
    name = _named(call)
    before = call.services.projects.get(name).members
    project = await call.services.projects.change(name, change)
    if name != DEFAULT_PROJECT:
        for uid in {member.uid for member in before} - {member.uid for member in project.members}:
            call.services.connections.cut(name, user_name(uid))
    call.services.signals.notify("queue")  # what its limits held back they may hold back no more
    return Reply(project)


async def delete(call: Call) -> Reply:
    """Delete a project that has no live runs and no volumes; its usage stays on record."""
    name = _named(call)
    await call.services.projects.delete(name)
    call.services.connections.cut(name, spare=call.request.transport)
    await call.services.keys.look()
    call.services.signals.notify("projects", "keys")
    return Reply(status=HTTPStatus.NO_CONTENT)


def _named(call: Call) -> str:
    return project_of(call.caller, call.request.match_info["name"], call.services.projects)


async def _check(call: Call, repository: GitSource | None) -> None:
    if repository is None:
        return
    try:
        await call.services.sources.check(call.project, SourceSpec(git=repository))
    except SourceFailed as failure:
        said = str(failure)
        raise Refused(f"cannot use this repository: {said}", errors=[(("repository",), said)]) from failure


async def _members(said: Sequence[str | int]) -> list[Member]:
    def found() -> list[Member]:
        return [Member(uid=user.uid, user=user.name) for user in map(peers.user, said)]

    return await asyncio.to_thread(found)  # the host may ask a directory on the network
