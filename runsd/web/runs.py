"""The list of runs, newest first; those that were submitted together are one row of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from runsd_sdk.run import BatchState, Run, RunList, Status

from runsd.api import runs
from runsd.api.call import Call
from runsd.clock import instant
from runsd.ids import made_us
from runsd.web import names
from runsd.web.batches import Place, bands, failures_first
from runsd.web.filters import Filters
from runsd.web.page import Shown, ask

_ROWS: Final = 50
_OPENED: Final = 20
# A page looks as often for more runs, where few match or many are of batches.
_ASKS: Final = 5
IndexQuery = Filters


@dataclass(frozen=True, slots=True)
class Row:
    """A run, or a batch with as many of its runs as are shown."""

    run: Run
    batch: BatchState | None = None
    members: Sequence[Run] | None = None
    toggle: str = ""

    @property
    def bands(self) -> list[tuple[Status, int, float, float]]:
        """The parts of a batch's bar."""
        return [] if self.batch is None else bands(self.batch)

    def runs(self) -> Iterator[Run]:
        """Walk the runs that are shown."""
        yield self.run
        yield from self.members or ()


@dataclass(frozen=True, slots=True)
class _Found:
    rows: list[Row]
    next_cursor: str | None


async def index(call: Call) -> Shown:
    """Show runs, newest first."""
    query: Filters = call.query
    since = await call.services.events.last_id()
    found = _Found([], None) if query.wrong else await _find(call, query)
    path = call.request.path
    top = await _newest(call, query, found)
    newest = query.newest or top
    shown_all = query.wrong is None and len(found.rows) < _ROWS
    values = {
        "since": since,
        "rows": found.rows,
        "filters": query,
        "chips": query.chips(path),
        "statuses": list(Status),
        "task_names": await names.of_tasks_of(call, [run for row in found.rows for run in row.runs()]),
        "here": query.here(path, newest if query.cursor else None),
        "first": query.address(path),
        "older": _older(query, path, found.next_cursor, newest),
        "looked_to": _looked_to(found.next_cursor) if shown_all else None,
        "newer": top not in (None, newest),
    }
    return Shown("runs.html", values)


async def _find(call: Call, query: Filters) -> _Found:
    rows: list[Row] = []
    cursor = query.cursor
    for _ in range(_ASKS):
        wanted = _ROWS - len(rows) + 1
        page = await ask(call, runs.page, RunList, query.asked(cursor=cursor, limit=wanted))
        cursor = page.next_cursor
        lots = [list(lot) for _, lot in groupby(page.data, key=_together if query.batch is None else _own)]
        if cursor is not None and len(lots) > 1 and len(lots[-1]) == 1:
            lots.pop()  # whether it is one of a batch, the next page will see
            cursor = lots[-1][-1].id
        for lot in lots:
            row = Row(lot[0]) if len(lot) == 1 else await _batch(call, query, lot)
            rows.append(row)
        if rows and lots and rows[-1].batch is not None and cursor is not None:
            cursor = min(cursor, rows[-1].batch.id)
        if cursor is None or len(rows) >= _ROWS:
            break
    return _Found(rows, cursor)


def _together(run: Run) -> object:
    return run.created_at


def _own(run: Run) -> object:
    return run.id


async def _batch(call: Call, query: Filters, lot: Sequence[Run]) -> Row:
    state = await call.services.runs.batch(call.project, lot[0].id)
    members = None
    if state.last_id in query.open:
        members, _ = await failures_first(call, query, state, Place(), limit=_OPENED)
    return Row(lot[0], state, members, query.toggled(call.request.path, state.last_id))


def _older(query: Filters, path: str, cursor: str | None, newest: str | None) -> str | None:
    if cursor is None:
        return None
    return query.address(path, *([("newest", newest)] if newest else ()), cursor=cursor)


def _looked_to(cursor: str | None) -> datetime | None:
    """Return how far back a list has looked that has found less than a page."""
    return None if cursor is None else instant(made_us(cursor))


async def _newest(call: Call, query: Filters, found: _Found) -> str | None:
    """Return which run is at the top of the first page."""
    if query.cursor is None or query.wrong:
        return found.rows[0].run.id if found.rows else None
    page = await ask(call, runs.page, RunList, query.asked(cursor=None, limit=1))
    return page.data[0].id if page.data else None
