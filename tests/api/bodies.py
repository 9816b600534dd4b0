"""What a route has to be sent to come as far as looking for what its path names."""

from typing import Any

from runsd_sdk.spec import RunPatch
from runsd_sdk.task import TaskPatch
from runsd_sdk.webhook import WebhookPatch

from runsd.api.routes import Route

_OF: dict[Any, Any] = {RunPatch: {"labels": {}}, TaskPatch: {"name": "x"}, WebhookPatch: {"enabled": True}}


def body(route: Route) -> Any:
    """Return it; None for none."""
    return _OF.get(route.body, None if route.method in ("GET", "DELETE") else {})
