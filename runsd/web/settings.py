"""A project's keys, limits and members, for its admins; all projects, for those of the host; the audit."""

from runsd_sdk.audit import AuditList
from runsd_sdk.key import KeyAccess, KeyList
from runsd_sdk.project import Project, ProjectList

from runsd.access import DEFAULT_PROJECT
from runsd.api import audit, keys, projects
from runsd.api.call import Call
from runsd.web.page import Shown, ask


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
            "of_host": call.caller.of_host,
            "every": every.data,
            "is_default": present.name == DEFAULT_PROJECT,
            "listening": call.services.tcp_address,
        },
    )


async def log(call: Call) -> Shown:
    """Show who changed what, newest first."""
    found = await ask(call, audit.page, AuditList, call.query)
    return Shown("audit.html", {"entries": found.data, "next_cursor": found.next_cursor, "query": call.query})
