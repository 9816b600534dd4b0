"""What has many answers, as generators that emit them: pages, logs, events, map."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from runsd_sdk import calls, flows
from runsd_sdk.calls import NDJSON, Call, Feed
from runsd_sdk.errors import DaemonUnreachable, RunsdError, ServerError
from runsd_sdk.link import Link, Patience
from runsd_sdk.run import Event, LogEntry, Run, RunBatch
from runsd_sdk.steps import Emit, Flow, Frame, Open, Pause, Read

T = TypeVar("T", Event, LogEntry)


def follow(feed: Callable[[str | None], Feed[T]], cursor: Callable[[T], str], *, link: Link) -> Flow[None]:
    """Emit a stream's values; resume after the last one whenever the stream breaks.

    ``feed`` opens the stream after a cursor. A stream of server-sent events is over at its ``end`` event, any
    other at its own end; everything else is a break.
    """
    patience, last = Patience(link), None
    while True:
        opened = feed(last)
        try:
            yield Open(opened)
            patience.opened()
            while (frame := (yield Read())) is not None and frame.event != "end":
                value = opened.parse(frame.data)
                last = cursor(value)
                patience.renew()
                yield Emit(value)
            if frame is not None or opened.accept == NDJSON:
                return
            broken: RunsdError = DaemonUnreachable("cannot follow: the stream broke off", sent=True)
        except (DaemonUnreachable, ServerError) as error:
            broken = error
        yield Pause(patience.pause_after(broken, reading=True, repeatable=True))


def raw(feed: Feed[bytes]) -> Flow[None]:
    """Emit a stream's bytes; a break is an error, for bytes have no cursor to resume from."""
    yield Open(feed)
    frame: Frame | None
    while (frame := (yield Read())) is not None:
        yield Emit(frame.data)


def logs(run_id: str, *, link: Link, since: str | None, tail: int | None, **options: Any) -> Flow[None]:
    """Emit log entries, without loss or repetition across broken connections."""

    def after(cursor: str | None) -> Feed[LogEntry]:
        if cursor is None:
            return calls.logs(run_id, since=since, tail=tail, **options)
        return calls.logs(run_id, since=cursor, **options)

    return follow(after, lambda entry: entry.cursor, link=link)


def live_events(run_id: str | None, *, since: int | None, link: Link) -> Flow[None]:
    """Emit events as they happen; those of one run until it is over."""

    def after(cursor: str | None) -> Feed[Event]:
        return calls.follow_events(run_id, since=since if cursor is None else int(cursor))

    return follow(after, lambda event: str(event.id), link=link)


def past_events(run_id: str | None, *, since: int | None, link: Link) -> Flow[None]:
    """Emit the events that are recorded now, oldest first, page by page."""
    while True:
        page = yield from flows.answer(calls.list_events(run_id, since=since), link=link)
        for event in page.data:
            yield Emit(event)
        if page.next_cursor is None or not page.data:
            return
        since = page.data[-1].id


def pages(*, link: Link, **filters: Any) -> Flow[None]:
    """Emit every run that matches, newest first, page by page."""
    cursor: str | None = None
    while True:
        page = yield from flows.answer(calls.list_runs(cursor=cursor, limit=100, **filters), link=link)
        for run in page.data:
            yield Emit(run)
        cursor = page.next_cursor
        if cursor is None:
            return


def audit(*, link: Link, **filters: Any) -> Flow[None]:
    """Emit every entry of the audit that matches, newest first, page by page."""
    cursor: str | None = None
    while True:
        page = yield from flows.answer(calls.list_audit(cursor=cursor, limit=200, **filters), link=link)
        for entry in page.data:
            yield Emit(entry)
        cursor = page.next_cursor
        if cursor is None:
            return


def map_runs(
    batches: Sequence[Call[RunBatch]], timeout: float | None, *, check: bool, link: Link
) -> Flow[None]:
    """Submit all batches, then emit each run's result in the order submitted.

    ``timeout`` counts from the first submission; when it is over, a submission that fails is not tried again,
    and a run that is not over is a WaitTimeout.
    """
    began = link.clock()
    until = math.inf if timeout is None else began + timeout
    runs: list[Run] = []
    for call in batches:
        submitted = yield from flows.answer(call, link=link, until=until)
        runs += submitted.data
    for run in runs:
        found = yield from flows.wait(run.id, timeout, check=check, link=link, seen=run, began=began)
        yield Emit(found)
