"""The list of runs."""

from runsd_sdk.run import RunList

from runsd.api import runs
from runsd.api.call import Call
from runsd.web.page import Shown, ask


class IndexQuery(runs.RunQuery):
    """What the API filters by."""


async def index(call: Call) -> Shown:
    """Show runs, newest first."""
    since = await call.services.events.last_id()
    page = await ask(call, runs.page, RunList, call.query)
    return Shown("runs.html", {"since": since, "runs": page.data, "next_cursor": page.next_cursor})
