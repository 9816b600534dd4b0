"""The output of a run: a frame for what the browser reads from the API, a window at a time."""

from runsd.api.call import Call
from runsd.api.logs import ViewQuery
from runsd.web.page import Shown
from runsd.web.run import framed


async def show(call: Call) -> Shown:
    """Show the log, from its end on, or the line that the address names."""
    query: ViewQuery = call.query
    return Shown("run_logs.html", {**await framed(call), "stream": query.stream, "chosen": query.attempt})
