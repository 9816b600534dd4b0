"""Runs that were submitted together: shown as one in the list, and on a page of their own, failures first."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field
from runsd_sdk.run import BatchState, Run, RunList, Status

from runsd.api import runs
from runsd.api.call import Call, Query
from runsd.web.filters import Filters
from runsd.web.page import Shown, ask

_LIMIT: Final = 100
# In this order runs are shown: what a person has to look at comes first.
_TURNS: Final = (
    (Status.FAILED, Status.TIMEOUT),
    (Status.RUNNING, Status.PENDING),
    (Status.CANCELLED,),
    (Status.SUCCEEDED,),
)
_BANDS: Final = tuple(status for turn in _TURNS for status in turn)


class BatchQuery(Query):
    """Which of a batch's runs; ``cursor`` is of the page before."""

    status: list[Status] = []
    cursor: Annotated[str, Field(pattern=r"^[0-3]\.[0-9a-z_]{0,40}$")] = "0."


@dataclass(frozen=True, slots=True)
class Place:
    """How far a list with failures first has come: which turn, and the last run of it that was shown."""

    turn: int = 0
    cursor: str | None = None


async def index(call: Call) -> Shown:
    """Show a batch: how far it is, and its runs, failures first."""
    query: BatchQuery = call.query
    since = await call.services.events.last_id()
    state = await ask(call, runs.batch, BatchState)
    turn, _, cursor = query.cursor.partition(".")
    place = Place(int(turn), cursor or None)
    filters = Filters(status=query.status)
    found, after = await failures_first(call, filters, state, place, limit=_LIMIT)
    path = call.request.path
    values = {
        "since": since,
        "state": state,
        "bands": bands(state),
        "runs": found,
        "query": query,
        "first": filters.address(path),
        "older": None
        if after is None
        else filters.address(path, cursor=f"{after.turn}.{after.cursor or ''}"),
        "here": filters.address(path, cursor=None if place == Place() else query.cursor),
        "first_page": place == Place(),
    }
    return Shown("batch.html", values)


async def failures_first(
    call: Call, filters: Filters, state: BatchState, place: Place, *, limit: int
) -> tuple[list[Run], Place | None]:
    """Return runs of a batch that the filters let through, and where to go on; None for nowhere."""
    found: list[Run] = []
    for turn in range(place.turn, len(_TURNS)):
        statuses = [each for each in _TURNS[turn] if not filters.status or each in filters.status]
        cursor = place.cursor if turn == place.turn else None
        while any(state.counts.get(status) for status in statuses):
            if len(found) >= limit:
                return found, Place(turn, cursor)
            wanted = {"status": statuses, "cursor": cursor, "limit": limit - len(found)}
            page = await ask(call, runs.page, RunList, filters.asked(batch=state.id, **wanted))
            found += page.data
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
    return found, None


def bands(state: BatchState) -> list[tuple[Status, int, float, float]]:
    """Return each status that runs have with how many, and where its part of a bar of 100 begins and ends."""
    shown, at = [], 0.0
    for status in _BANDS:
        if count := state.counts.get(status, 0):
            wide = 100 * count / state.size
            shown.append((status, count, at, wide))
            at += wide
    return shown
