"""A project's keys, limits and members, for its admins; all projects, for those of the host; the audit."""

from runsd_sdk.audit import AuditList
from runsd_sdk.key import KeyAccess, KeyList
from runsd_sdk.project import Project, ProjectList

from runsd.access import DEFAULT_PROJECT
from runsd.api import audit, keys, projects
from runsd.api.audit import AuditQuery
from runsd.api.call import Call
from runsd.web.page import Shown, ask


class LogQuery(AuditQuery):
    """Which entries; ``every`` asks for those of all projects."""

    every: bool = False


async def index(call: Call) -> Shown:
    """Show the project, and its keys."""
    present: Project = call.services.projects.get(call.project)
    every = await ask(call, projects.page, ProjectList)
    return Shown(
        "settings.html",
        {
            "keys": (await ask(call, keys.page, KeyList)).data,
            "accesses": [access.value for access in KeyAccess],
            "present": present,
            "repository": present.repository,
            "of_host": call.caller.of_host,
            "every": every.data,
            "is_default": present.name == DEFAULT_PROJECT,
            "listening": call.services.tcp_address,
        },
    )


async def log(call: Call) -> Shown:
    """Show who changed what, newest first: in the project, or for an admin of the host in all of them."""
    query: LogQuery = call.query
    every = query.every and call.caller.of_host
    asked = query.model_copy(update={"project": None if every else call.project})
    found = await ask(call, audit.page, AuditList, asked)
    values = {"entries": found.data, "next_cursor": found.next_cursor, "query": query}
    return Shown("audit.html", {**values, "every": every, "of_host": call.caller.of_host})
