"""Pages of the list of runs: one walk each, or where a text is looked for short ones with a bound on time."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from decimal import Decimal

import aiosqlite
from runsd_sdk.run import Run, RunList

from runsd.sqlite import Sqlite
from runsd.store import listing
from runsd.store.listing import RunFilter
from runsd.store.rows import run_of

_PAGE_BYTES = 4 * 1024**2
_SEARCH_S = 0.5
_WALK_S = 0.05
_FIRST_WALK = 50
_MOST_TIMES = 4


@dataclass(slots=True)
class _Page:
    """What is found, and from where to go on: ``cursor`` None at the end. When ``full`` no more fits in."""

    cursor: str | None
    runs: list[Run] = field(default_factory=list)
    size: int = 0
    full: bool = False


class Pages:
    """The table of runs by pages.

    To look for a text in a thousand large specs takes seconds: one such walk at a time, and a short one, so
    that of the connections for reading there is always one that everybody else gets quickly.
    """

    def __init__(self, db: Sqlite, *, price_usd: Decimal) -> None:
        self._db = db
        self._price_usd = price_usd
        self._searching = asyncio.Lock()

    async def page(self, wanted: RunFilter) -> RunList:
        """Return a page of runs, newest first; it may end early, with a cursor."""
        page = _Page(wanted.cursor)
        await (self._walk if wanted.text is None else self._search)(page, wanted, listing.MOST_EXAMINED)
        return RunList(data=page.runs, next_cursor=page.cursor)

    async def _search(self, page: _Page, wanted: RunFilter, most: int) -> None:
        """Walk a little at a time, so much that it takes _WALK_S; until _SEARCH_S are over."""
        some, spent_s = _FIRST_WALK, 0.0
        while True:
            some = min(some, most)
            async with self._searching:
                began = time.monotonic()
                await self._walk(page, wanted, some)
                took_s = time.monotonic() - began
            most, spent_s = most - some, spent_s + took_s
            if page.full or page.cursor is None or not most or spent_s >= _SEARCH_S:
                return
            some = max(1, min(int(some * _WALK_S / max(took_s, 1e-6)), _MOST_TIMES * some))

    async def _walk(self, page: _Page, wanted: RunFilter, examined: int) -> None:
        """Add what matches of the next so many runs."""
        wanted = replace(wanted, cursor=page.cursor, limit=wanted.limit - len(page.runs))
        left = wanted.limit
        async with self._db.reading() as reader:
            floors = await _floors(reader, wanted, examined)
            query = listing.page(wanted, floors)
            async with reader.execute(query.sql, query.given) as rows:
                async for row in rows:
                    if not left or page.size > _PAGE_BYTES:
                        page.full, page.cursor = True, page.runs[-1].id
                        return
                    page.runs.append(run_of(row, self._price_usd))
                    page.size += len(row["spec"])
                    left -= 1
        page.full, page.cursor = not left, listing.floor(floors)


async def _floors(reader: aiosqlite.Connection, wanted: RunFilter, examined: int) -> list[str | None]:
    query = listing.floors(wanted, examined)
    (row,) = await reader.execute_fetchall(query.sql, query.given)
    return list(row)
