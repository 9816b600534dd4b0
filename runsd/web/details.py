"""A run's first page: why it is where it is, what it was asked to do, what became of it and what it cost."""

from runsd.api.call import Call
from runsd.web.page import Shown
from runsd.web.run import framed


async def show(call: Call) -> Shown:
    """Show the details of a run."""
    return Shown("run_details.html", await framed(call))
