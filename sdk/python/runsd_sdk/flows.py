"""What takes more than one request but has one answer, as generators: one logic for sync and async."""

from typing import TypeVar

from runsd_sdk import calls
from runsd_sdk.calls import Call
from runsd_sdk.errors import DaemonUnreachable, NotFound, ServerError, WaitTimeout, checked
from runsd_sdk.link import Link, Patience
from runsd_sdk.run import Run, RunResult
from runsd_sdk.steps import Flow, Pause

T = TypeVar("T")
EARLY_PAUSE_S = 0.2


def answer(call: Call[T], *, link: Link) -> Flow[T]:
    """Make one call, again after a broken connection where that can do no harm."""
    patience, again = Patience(link), False
    while True:
        try:
            value: T = yield call
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


def wait(run_id: str, timeout: float | None, *, check: bool, link: Link) -> Flow[RunResult]:
    """Long-poll until the run is over, then fetch its result; WaitTimeout after ``timeout`` seconds."""
    until = None if timeout is None else link.clock() + timeout
    while True:
        asked = link.clock()
        left = calls.LONG_POLL_S if until is None else max(0.0, until - asked)
        poll = min(left, calls.LONG_POLL_S)
        run: Run = yield from answer(calls.wait(run_id, timeout_s=poll), link=link)
        if run.status.terminal:
            break
        if timeout is not None and until is not None and link.clock() >= until:
            raise WaitTimeout(run, timeout)
        if link.clock() - asked < poll / 2:  # a daemon that is leaving answers at once
            yield Pause(EARLY_PAUSE_S)
    found = yield from answer(calls.result(run_id), link=link)
    return checked(found) if check else found


def create_and_wait(call: Call[Run], timeout: float | None, *, check: bool, link: Link) -> Flow[RunResult]:
    """Submit a run and wait for it."""
    run = yield from answer(call, link=link)
    return (yield from wait(run.id, timeout, check=check, link=link))
