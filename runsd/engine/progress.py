"""A pull's progress: the Engine's stream of JSON objects, summed over the layers."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from runsd.engine.port import PullProgress
from runsd.engine.transport import MOST_SAID
from runsd.errors import EngineRefused, EngineUnavailable

_COMPLETE = ("Download complete", "Verifying Checksum", "Extracting", "Pull complete")


async def objects(chunks: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any]]:
    """Split a stream into its JSON objects, one a line; raises EngineUnavailable for what is none."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _object(line)
    if rest.strip():
        yield _object(rest)


class Layers:
    """What is known of every layer so far."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}

    def after(self, event: dict[str, Any]) -> PullProgress:
        """Count one event in, and return the progress over all layers.

        Raises EngineRefused with the Engine's sentence when the event says that the pull failed.
        """
        if failure := event.get("error"):
            raise EngineRefused(str(failure)[:MOST_SAID])
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        detail = event.get("progressDetail") or {}
        if status == "Downloading" and "total" in detail:
            self._done[layer], self._total[layer] = int(detail["current"]), int(detail["total"])
        elif status in _COMPLETE and layer in self._total:
            self._done[layer] = self._total[layer]
        return PullProgress(status, sum(self._done.values()), sum(self._total.values()))


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as failure:
        raise EngineUnavailable("cannot follow the pull: the Engine's answer broke off") from failure
    if not isinstance(value, dict):
        raise EngineUnavailable("cannot follow the pull: the Engine's answer is not an object")
    return value
