"""The list of volumes."""

from runsd_sdk.host import VolumeList

from runsd.api import volumes
from runsd.api.call import Call
from runsd.web.page import Shown, ask


async def index(call: Call) -> Shown:
    """Show all volumes, by name."""
    since = await call.services.events.last_id()
    found = await ask(call, volumes.page, VolumeList)
    return Shown("volumes.html", {"since": since, "volumes": found.data})
