"""Ctrl-C while runs are ours: the first asks the daemon to cancel them, the second leaves them."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

from runsd.cli.outcome import CANCELLED, NOT_THE_PROGRAM
from runsd.cli.session import say

if TYPE_CHECKING:
    from runsd_sdk import RunsClient


_ON_ITS_WAY_S = 0.5


class Detached(Exception):
    """The person has left; the runs have not."""


@contextmanager
def interrupts(client: "RunsClient", *, unconfirmed: int = NOT_THE_PROGRAM) -> "Iterator[Interrupts]":
    """Hear Ctrl-C from before the first run is submitted: none is made that nobody could cancel.

    Leaving exits with 130 if the daemon has confirmed that all runs end, else with ``unconfirmed``.
    """
    found = Interrupts(client)
    before = signal.signal(signal.SIGINT, found.heard)
    try:
        yield found
    except Detached:
        found.listen()
        say(found.parting())
        raise typer.Exit(unconfirmed if found.unconfirmed else CANCELLED) from None
    finally:
        found.over = True
        signal.signal(signal.SIGINT, before)


class Interrupts:
    """The runs that a Ctrl-C is meant for, and what the daemon has said to it."""

    def __init__(self, client: "RunsClient") -> None:
        self.asked = False
        self.over = False
        self._client = client
        self._runs: list[str] = []
        self._confirmed: set[str] = set()
        self._asking: list[threading.Thread] = []
        self._left = False

    @property
    def unconfirmed(self) -> bool:
        """Whether a run may go on as if nobody had pressed Ctrl-C."""
        return not self._runs or len(self._confirmed) < len(self._runs)

    def take(self, run_ids: Sequence[str]) -> None:
        """Take charge of runs that were submitted just now; cancel them if that was asked meanwhile."""
        self._runs += run_ids
        if self.asked:
            self._begin(run_ids)

    def heard(self, _number: int, _frame: FrameType | None) -> None:
        """Answer a SIGINT."""
        if self._left:
            return  # it is leaving already
        if self.asked:
            self._left = True
            raise Detached
        self.asked = True
        _remark(f"cancelling {self._what()}; Ctrl-C again leaves without waiting")
        self._begin(self._runs)

    def listen(self) -> None:
        """Wait a moment for a confirmation that is on its way."""
        until = time.monotonic() + _ON_ITS_WAY_S
        for thread in self._asking:
            if thread.is_alive():  # the second may come while the first still starts it
                thread.join(max(0.0, until - time.monotonic()))

    def parting(self) -> str:
        """Return what becomes of the runs that are left alone."""
        if not self._runs:
            return "left while submitting; what the daemon has taken goes on: runs ps"
        left, all_, first = len(self._runs) - len(self._confirmed), len(self._runs), self._runs[0]
        if all_ == 1:
            doubt = (
                f"detached from {first}; the daemon has not confirmed its cancellation: runs cancel {first}"
            )
            return doubt if left else f"detached from {first}, which is being cancelled: runs wait {first}"
        if left:
            return f"detached; {left} of {all_} runs are not cancelled yet, and go on: runs ps"
        return f"detached; all {all_} runs are being cancelled: runs ps"

    def _what(self) -> str:
        if not self._runs:
            return "what is being submitted"
        return self._runs[0] if len(self._runs) == 1 else f"{len(self._runs)} runs"

    def _begin(self, run_ids: Sequence[str]) -> None:
        # In a thread: the stream goes on meanwhile, and a second Ctrl-C is heard at once.
        thread = threading.Thread(target=self._cancel, args=(list(run_ids),), daemon=True)
        self._asking.append(thread)
        thread.start()

    def _cancel(self, run_ids: list[str]) -> None:
        from runsd_sdk import RunsdError

        for run_id in reversed(run_ids):  # the queued ones first, lest they start meanwhile
            if self.over:
                return
            try:
                self._client.cancel(run_id)
                self._confirmed.add(run_id)
            except RunsdError as error:
                if not self.over:
                    say(f"cannot cancel {run_id}: {error}")


def _remark(message: str) -> None:
    try:
        say(message)
    except RuntimeError:  # the signal came in the middle of a write to stderr, which is not reentrant
        os.write(sys.stderr.fileno(), f"runs: {message}\n".encode())
