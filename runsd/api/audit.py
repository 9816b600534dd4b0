"""The audit over HTTP: for the admins of a project, and for those of the host about all of them."""

import asyncio
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, model_validator
from runsd_sdk.audit import AuditEntry, AuditList

from runsd import peers
from runsd.access import key_name, user_name
from runsd.api.call import Call, Query, Reply, named_project
from runsd.clock import micros
from runsd.errors import Refused
from runsd.store.audit import AuditFilter

_USER = user_name(0).removesuffix("0")


class AuditQuery(Query):
    """Which entries; ``who`` is a user or key by id or name, ``action`` may be a noun alone, as ``run``.

    What is empty, as a form sends it, says nothing.
    """

    who: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    action: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != ""}


async def page(call: Call) -> Reply:
    """List who changed what, newest first; of all projects for an admin of the host who names none."""
    query: AuditQuery = call.query
    await call.services.refusals.flush()
    whole = call.caller.of_host and query.project is None and named_project(call.request) is None
    found = await call.services.audit.page(
        AuditFilter(
            project=None if whole else call.project,
            who=query.who,
            whos=() if query.who is None else await asyncio.to_thread(_known_as, query.who),
            action=query.action,
            since_us=max(_since(call), 0 if query.since is None else micros(query.since)),
            until_us=None if query.until is None else micros(query.until),
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    named = await asyncio.to_thread(_with_names, found.data)
    return Reply(AuditList(data=named, next_cursor=found.next_cursor))


def _since(call: Call) -> int:
    """Return from when on a project is the one of today: another may have had its name before."""
    created = call.services.projects.get(call.project).created_at
    return 0 if call.caller.of_host or created is None else micros(created)


def _known_as(who: str) -> Collection[str]:
    """Return whom somebody may mean. It may ask the network, as what finds names of users may."""
    try:
        return who, key_name(who), user_name(peers.user(who).uid)
    except Refused:
        return who, key_name(who)


def _with_names(entries: Iterable[AuditEntry]) -> list[AuditEntry]:
    name_of = lru_cache(peers.name_of)
    return [
        entry.model_copy(update={"name": name_of(int(entry.who.removeprefix(_USER)))})
        if entry.who.startswith(_USER)
        else entry
        for entry in entries
    ]
