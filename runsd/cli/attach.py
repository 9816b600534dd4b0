"""Standing in for a run: its output becomes ours, and its exit code too."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runsd.cli.outcome import exit_code
from runsd.cli.session import say

if TYPE_CHECKING:
    from rich.status import Status
    from runsd_sdk import LogEntry, Run, RunsClient

PROGRESS_S = 1.0
SHOWN_CHARS = 200


def attach(client: "RunsClient", run_id: str) -> int:
    """Stream a run's output byte for byte until it is over; return the code to exit with."""
    with progress(client, run_id) as stop_progress:
        for entry in client.logs(run_id, follow=True):
            stop_progress()
            write(entry)
    run = client.get(run_id)
    explain(client, run)
    tell_value(client, run)
    return exit_code(run)


def wait_for_result(client: "RunsClient", run_id: str) -> int:
    """Write a run's result as JSON once it is over; return the code to exit with."""
    from runsd.cli import output

    with progress(client, run_id):
        result = client.wait(run_id)
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


def tell_value(client: "RunsClient", run: "Run") -> None:
    """Say what a function returned, or the beginning of it."""
    from runsd_sdk import Status

    program = run.spec.python
    if program is None or program.entrypoint.function is None or run.status is not Status.SUCCEEDED:
        return
    if (value := client.result(run.id).return_value) is not None:
        text = json.dumps(value, ensure_ascii=False)
        more = f"…; runs result {run.id} has all of it" if len(text) > SHOWN_CHARS else ""
        say(f"{program.entrypoint.function} returned {text[:SHOWN_CHARS]}{more}")


@contextmanager
def progress(client: "RunsClient", run_id: str) -> Iterator[Callable[[], None]]:
    """Show on a terminal why the first output is still to come: the queue, the pull."""
    line = _Line()
    if sys.stderr.isatty():
        threading.Thread(target=_show, args=(client, run_id, line), daemon=True).start()
    try:
        yield line.stop
    finally:
        line.stop()


class _Line:
    """The line at the bottom of a terminal. Whoever stops it waits for no answer of the daemon."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._status: Status | None = None

    def show(self, text: str) -> None:
        from rich.console import Console

        with self._lock:
            if self.stopped.is_set():
                return
            if self._status is None:
                self._status = Console(stderr=True).status(text)
                self._status.start()
            else:
                self._status.update(text)

    def stop(self) -> None:
        if self.stopped.is_set():
            return
        with self._lock:
            self.stopped.set()
            if self._status is not None:
                self._status.stop()


def _show(client: "RunsClient", run_id: str, line: _Line) -> None:
    from runsd_sdk import Phase, RunsdError

    pause_s = PROGRESS_S / 2
    while not line.stopped.wait(pause_s):
        try:
            why = client.why(run_id)
        except RunsdError:
            break  # the stream of the log meets the same trouble, and says so
        if why.phase in (Phase.RUNNING, Phase.STOPPING, Phase.FINISHED):
            break
        line.show("; ".join((why.summary, *why.details)))
        pause_s = PROGRESS_S
    line.stop()
