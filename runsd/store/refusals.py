"""What known callers tried to change and were refused: counted in memory, and written down once a minute.

Who tries a thousand times a second has one entry a minute, with the count; of the callers, addresses and
actions of one minute there are at most MOST.
"""

import asyncio
from dataclasses import replace

import structlog

from runsd.acts import Act
from runsd.errors import NotNow
from runsd.store.audit import Audit

log = structlog.get_logger()

MOST = 1000
_EVERY_S = 60.0
_Kind = tuple[str, str, str, str | None]


class Refusals:
    """Refused attempts that are not yet written down."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._counted: dict[_Kind, Act] = {}
        self._any = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, act: Act) -> None:
        """Count an attempt. What it was about is the caller's own word, and not kept."""
        kind = _kind(act)
        known = self._counted.get(kind)
        if known is not None:
            known.count += 1
        elif len(self._counted) < MOST:
            self._counted[kind] = replace(act, object=None, count=1)
        else:
            log.warning("audit.too_many_refusals", who=act.who, address=act.address, action=act.action)
        self._any.set()

    async def serve(self) -> None:
        """Write them down for as long as the daemon lives."""
        while True:
            await self._any.wait()
            await self.flush()
            await asyncio.sleep(_EVERY_S)

    async def flush(self) -> None:
        """Write down what was counted so far; what the disk refuses is counted on."""
        async with self._writing:
            written = [replace(act) for act in self._counted.values()]
            self._any.clear()
            try:
                if written:
                    await self._audit.add_refused(written)
            except NotNow:
                self._any.set()
                return
            for act in written:
                self._counted[_kind(act)].count -= act.count
                if not self._counted[_kind(act)].count:
                    del self._counted[_kind(act)]


def _kind(act: Act) -> _Kind:
    return act.who, act.address, act.action, act.project
