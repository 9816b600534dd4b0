"""Standing in for a run: its output becomes ours, its exit code too, and Ctrl-C reaches it."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from runsd.cli.outcome import CANCELLED, exit_code
from runsd.cli.session import say

if TYPE_CHECKING:
    from runsd_sdk import LogEntry, Run, RunsClient

PROGRESS_S = 1.0


class Detached(Exception):
    """The person has left; the run has not."""


def attach(client: "RunsClient", run_id: str) -> int:
    """Stream a run's output byte for byte until it is over; return the code to exit with."""
    try:
        with interrupts(client, [run_id]), progress(client, run_id) as stop_progress:
            for entry in client.logs(run_id, follow=True):
                stop_progress()
                write(entry)
    except Detached:
        say(f"detached from {run_id}; it ends by itself: runs wait {run_id}")
        return CANCELLED
    run = client.get(run_id)
    explain(client, run)
    return exit_code(run)


def wait_for_result(client: "RunsClient", run_id: str) -> int:
    """Write a run's result as JSON once it is over; return the code to exit with."""
    from runsd.cli import output

    try:
        with interrupts(client, [run_id]), progress(client, run_id):
            result = client.wait(run_id)
    except Detached:
        say(f"detached from {run_id}; it ends by itself: runs wait {run_id}")
        return CANCELLED
    output.document(result)
    return exit_code(result)


def write(entry: "LogEntry") -> None:
    """Write a piece of output where the program wrote it; runsd's own remarks go to stderr."""
    stream = sys.stdout if entry.stream == "stdout" else sys.stderr
    stream.buffer.write(entry.data)
    stream.buffer.flush()


def explain(client: "RunsClient", run: "Run") -> None:
    """Say why a run ended, unless its own exit says it."""
    from runsd_sdk import Reason

    if run.reason is not Reason.EXITED:
        why = client.why(run.id)
        say(f"{run.id} {why.summary}" + (f"; {why.next_step}" if why.next_step else ""))


@contextmanager
def interrupts(client: "RunsClient", run_ids: list[str]) -> Iterator[None]:
    """Let the first Ctrl-C ask the daemon to cancel, and the second raise Detached."""
    asked = threading.Event()

    def cancel() -> None:
        from runsd_sdk import RunsdError

        for run_id in reversed(run_ids):  # the queued ones first, lest they start meanwhile
            try:
                client.cancel(run_id)
            except RunsdError as error:
                say(f"cannot cancel {run_id}: {error}")

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise Detached
        asked.set()
        what = run_ids[0] if len(run_ids) == 1 else f"{len(run_ids)} runs"
        say(f"cancelling {what}; Ctrl-C again leaves without waiting")
        # In a thread: the stream goes on meanwhile, and a second Ctrl-C is heard at once.
        threading.Thread(target=cancel, daemon=True).start()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress(client: "RunsClient", run_id: str) -> Iterator[Callable[[], None]]:
    """Show on a terminal why the first output is still to come: the queue, the pull."""
    stopped = threading.Event()
    if not sys.stderr.isatty():
        yield stopped.set
        return
    thread = threading.Thread(target=_show, args=(client, run_id, stopped), daemon=True)
    thread.start()

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            thread.join()

    try:
        yield stop
    finally:
        stop()


def _show(client: "RunsClient", run_id: str, stopped: threading.Event) -> None:
    from rich.console import Console
    from runsd_sdk import Phase, RunsdError

    if stopped.wait(PROGRESS_S / 2):
        return
    with Console(stderr=True).status("") as status:
        while not stopped.is_set():
            try:
                why = client.why(run_id)
            except RunsdError:
                return  # the stream of the log meets the same trouble, and says so
            if why.phase in (Phase.RUNNING, Phase.STOPPING, Phase.FINISHED):
                return
            status.update("; ".join((why.summary, *why.details)))
            stopped.wait(PROGRESS_S)
