"""Containers that were made a moment ago and not asked to start since: they are as they were made."""

import time

from runsd.engine.port import ContainerFacts, ContainerRequest, ContainerState

# Somebody could start or remove one by hand; what is older is asked about.
_YOUNG_S = 5.0


class Untouched:
    """What the Engine need not be asked about, because it has just answered it."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, ContainerFacts]] = {}

    def add(self, id: str, request: ContainerRequest) -> None:
        """Note a container that the Engine says it has made."""
        now = time.monotonic()
        self._made = {old: made for old, made in self._made.items() if now - made[0] < _YOUNG_S}
        self._made[id] = now, _as_made(id, request)

    def get(self, id: str) -> ContainerFacts | None:
        """Return such a container; None for every other, which has to be asked about."""
        since, facts = self._made.get(id, (0.0, None))
        return facts if facts is not None and time.monotonic() - since < _YOUNG_S else None

    def take(self, container: str) -> ContainerFacts | None:
        """Return one by id, and know it no more by id or name: its start or removal is about to be asked."""
        facts = self.get(container)
        self._made = {id: made for id, made in self._made.items() if container not in (id, made[1].name)}
        return facts


def _as_made(id: str, request: ContainerRequest) -> ContainerFacts:
    return ContainerFacts(
        id=id,
        name=request.name,
        state=ContainerState.CREATED,
        exit_code=0,
        oom_killed=False,
        error="",
        started_us=None,
        finished_us=None,
        pid=0,
        labels=request.labels,
        log_file_bytes=request.log_file_bytes,
        joined=request.sandbox,
    )
