"""The collector: removes sources that no run has used for long, now and then."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from runsd.sources.mirrors import Mirrors
from runsd.sources.uploads import Uploads

log = structlog.get_logger()

_EVERY_S = 3600.0


class Collector:
    """Keeps uploads and mirrors for ``keep_days`` after their last use; 0 keeps them for ever.

    ``in_use`` returns which of some uploads are named by runs that may still need them.
    """

    def __init__(
        self,
        mirrors: Mirrors,
        uploads: Uploads,
        *,
        in_use: Callable[[Collection[str]], Awaitable[Collection[str]]],
        keep_days: float,
    ) -> None:
        self._mirrors = mirrors
        self._uploads = uploads
        self._in_use = in_use
        self._keep_days = keep_days

    async def serve(self) -> None:
        """Go round for as long as the daemon lives."""
        while True:
            await self.collect()
            await asyncio.sleep(_EVERY_S)

    async def collect(self) -> None:
        """Go round once. What cannot be removed now is tried again."""
        if not self._keep_days:
            return
        try:
            await self._uploads.collect(self._keep_days, self._in_use)
            await self._mirrors.collect(self._keep_days)
        except OSError as failure:
            log.warning("sources.not_collected", error=str(failure))
