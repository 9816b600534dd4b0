"""What takes more than one request but has one answer, as generators: one logic for sync and async."""

import math
import os
from dataclasses import replace
from functools import partial
from typing import TypeVar

from runsd_sdk import calls
from runsd_sdk.calls import Call
from runsd_sdk.errors import DaemonUnreachable, NotFound, ServerError, WaitTimeout, checked
from runsd_sdk.host import Source
from runsd_sdk.link import Link, Patience, passing
from runsd_sdk.run import Run, RunResult
from runsd_sdk.steps import Aside, Flow, Pause

T = TypeVar("T")
EARLY_PAUSE_S = 0.2
SLACK_S = 5.0  # a busy daemon's answer may come a little after the time that it was asked for


def answer(call: Call[T], *, link: Link, until: float = math.inf) -> Flow[T]:
    """Make one call, again after a broken connection where that can do no harm.

    ``until`` is when the caller's time is up, by the link's clock: no try but the first begins after it, and
    none waits for an answer longer than SLACK_S beyond it.
    """
    patience, again = Patience(link, until=until), False
    while True:
        left = max(0.0, until - link.clock())
        patience.opened()
        try:
            value: T = yield replace(call, read_s=min(call.read_s, left + SLACK_S))
        except (DaemonUnreachable, ServerError) as error:
            reading = call.method == "GET"
            yield Pause(patience.pause_after(error, reading=reading, repeatable=call.repeatable))
            again = True
        except NotFound:
            if again and call.method == "DELETE":  # the try that broke had done it
                return call.parse(b"")
            raise
        else:
            return value


def wait(
    run_id: str,
    timeout: float | None,
    *,
    check: bool,
    link: Link,
    seen: Run | None = None,
    began: float | None = None,
) -> Flow[RunResult]:
    """Long-poll until the run is over, then fetch its result.

    ``timeout`` seconds count from now, or from ``began``. When they are over, whether the daemon answers or
    not: WaitTimeout with the run as it was last ``seen``, or DaemonUnreachable if it never was.
    """
    limit = math.inf if timeout is None else timeout
    until = (link.clock() if began is None else began) + limit
    try:
        while True:
            asked = link.clock()
            poll = min(max(0.0, until - asked), calls.LONG_POLL_S)
            seen = run = yield from answer(calls.wait(run_id, timeout_s=poll), link=link, until=until)
            if run.status.terminal:
                break
            if link.clock() >= until:
                raise WaitTimeout(run, limit)
            if link.clock() - asked < poll / 2:  # a daemon that is leaving answers at once
                yield Pause(EARLY_PAUSE_S)
        found = yield from answer(calls.result(run_id), link=link, until=until)
    except (DaemonUnreachable, ServerError) as error:
        if seen is None or link.clock() < until or not passing(error):
            raise
        raise WaitTimeout(seen, limit) from error
    return checked(found) if check else found


def create_and_wait(call: Call[Run], timeout: float | None, *, check: bool, link: Link) -> Flow[RunResult]:
    """Submit a run and wait for it; ``timeout`` counts from the submission, and raises what ``wait`` does."""
    began = link.clock()
    until = math.inf if timeout is None else began + timeout
    run = yield from answer(call, link=link, until=until)
    return (yield from wait(run.id, timeout, check=check, link=link, seen=run, began=began))


def upload(folder: str | os.PathLike[str], *, max_bytes: int, link: Link) -> Flow[Source]:
    """Pack a directory and send it; raises InvalidFolder for what cannot be sent."""
    from runsd_sdk import packing  # loads what most programs do without

    with (yield Aside(partial(packing.pack, folder, max_bytes=max_bytes))) as archive:
        return (yield from answer(calls.upload(archive), link=link))
