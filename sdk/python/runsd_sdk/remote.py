"""Functions as runs, as flows: their source is sent once, and again when the daemon has it no more."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TypeVar

from runsd_sdk import calls, flows
from runsd_sdk.calls import MOST_PACKED, Call
from runsd_sdk.errors import RunFailed, Unprocessable, returned
from runsd_sdk.fields import Json
from runsd_sdk.link import Link
from runsd_sdk.program import Program
from runsd_sdk.run import Run, RunBatch
from runsd_sdk.steps import Alone, Emit, Flow

T = TypeVar("T")


class Sent:
    """Which source each folder has become, as far as one client has sent it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ids: dict[PathLike[str], str] = {}

    def id_of(self, folder: PathLike[str], *, gone: str | None = None) -> Flow[str]:
        """Send a folder unless that is done, or has led to a source that is ``gone`` by now."""
        found = self._ids.get(folder)
        if found is not None and found != gone:
            return found
        sent: str = yield Alone(self._send(folder, gone))
        return sent

    def _send(self, folder: PathLike[str], gone: str | None) -> Flow[str]:
        found = self._ids.get(folder)
        if found is not None and found != gone:  # somebody else has sent it meanwhile
            return found
        source = yield from flows.upload(folder, max_bytes=MOST_PACKED, link=self._link)
        self._ids[folder] = source.id
        return source.id


def spawn(program: Program, run: Json, *, sent: Sent, link: Link) -> Flow[Run]:
    """Submit one call."""
    return _submit(program, lambda source: calls.create(program.sourced(run, source)), sent, link, math.inf)


def map_calls(
    program: Program,
    runs: Sequence[Json],
    timeout: float | None,
    *,
    return_exceptions: bool,
    sent: Sent,
    link: Link,
) -> Flow[None]:
    """Submit all calls, then emit what each has returned, in their order.

    One that failed raises its RunFailed, or emits that with ``return_exceptions``. ``timeout`` counts from
    the beginning, and is for all of them.
    """
    began = link.clock()
    until = math.inf if timeout is None else began + timeout
    submitted: list[Run] = []
    for batch in calls.batches(runs):
        accepted = yield from _submit(program, partial(_batch, program, batch), sent, link, until)
        submitted += accepted.data
    for run in submitted:
        result = yield from flows.wait(run.id, timeout, check=False, link=link, seen=run, began=began)
        try:
            value: object = returned(result)
        except RunFailed as failure:
            if not return_exceptions:
                raise
            value = failure
        yield Emit(value)


def _batch(program: Program, runs: Sequence[Mapping[str, object]], source: str | None) -> Call[RunBatch]:
    return calls.create_batch([program.sourced(run, source) for run in runs])


def _submit(
    program: Program, call: Callable[[str | None], Call[T]], sent: Sent, link: Link, until: float
) -> Flow[T]:
    """Make a call that names the program's source, which is sent before, where it is a folder."""
    folder = program.folder
    if folder is None:
        return (yield from flows.answer(call(None), link=link, until=until))
    source = yield from sent.id_of(folder)
    try:
        return (yield from flows.answer(call(source), link=link, until=until))
    except Unprocessable as refusal:
        if not any(error.loc[-1:] == ["source"] for error in refusal.problem.errors):
            raise
    source = yield from sent.id_of(folder, gone=source)
    return (yield from flows.answer(call(source), link=link, until=until))
