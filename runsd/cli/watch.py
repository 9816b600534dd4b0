"""Watching the runs of a map: events say which run to look at again, the run itself says how it is."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runsd.cli import durations, output
from runsd.cli.board import Board

if TYPE_CHECKING:
    from rich.table import Table
    from runsd_sdk import Run, RunsClient, RunsdError

TICK_S = 0.25
LAST_LINES_S = 1.0
MOST_LAST_LINES = 16


class Watch:
    """Keeps a board up to date until every run on it is over."""

    def __init__(self, client: "RunsClient", board: Board) -> None:
        self._client = client
        self._board = board
        self._news: queue.SimpleQueue[str | RunsdError] = queue.SimpleQueue()

    def silently(self) -> None:
        """Watch without a word."""
        for _ in self._changes():
            pass

    def line_by_line(self) -> None:
        """Write one plain line for each change."""
        import sys

        for run in self._changes():
            if run is not None:
                output.line(self._board.line(run.id))
                sys.stdout.flush()

    def on_terminal(self) -> None:
        """Keep a table on the terminal up to date."""
        from rich.console import Console
        from rich.live import Live

        listened = 0.0
        with Live(console=Console(), auto_refresh=False, vertical_overflow="ellipsis") as live:
            for _ in self._changes():
                if time.monotonic() - listened > LAST_LINES_S:
                    self._listen()
                    listened = time.monotonic()
                live.update(_table(self._board), refresh=True)
            self._listen(ended=True)
            live.update(_table(self._board), refresh=True)

    def _changes(self) -> "Iterator[Run | None]":
        """Yield each run whose state is news, and None at every tick, until all are over."""
        # From before the first run on: what happens while this starts is not missed.
        first = next(iter(self._client.events(next(iter(self._board.values)))))
        threading.Thread(target=self._follow, args=(first.id,), daemon=True).start()
        again = set(self._board.values)
        while True:
            for run_id in [each for each in self._board.values if each in again]:
                run = self._client.get(run_id)
                if self._board.learn(run):
                    yield run
            if self._board.over:
                return
            yield None
            again = self._to_look_at()

    def _follow(self, since: int) -> None:
        from runsd_sdk import RunsdError

        try:
            for event in self._client.events(follow=True, since=since):
                if event.run_id in self._board.values:
                    self._news.put(event.run_id)
        except RunsdError as error:
            self._news.put(error)

    def _to_look_at(self) -> set[str]:
        found: set[str] = set()
        until = time.monotonic() + TICK_S
        while (left := until - time.monotonic()) > 0:
            try:
                news = self._news.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(news, Exception):
                raise news
            found.add(news)
        return found

    def _listen(self, *, ended: bool = False) -> None:
        """Ask for the last line of the runs that are running, or of all that ended."""
        runs = self._board.runs.values()
        chosen = [run.id for run in runs if run.started_at and (ended or not run.status.terminal)]
        for run_id in chosen[:MOST_LAST_LINES]:
            for entry in self._client.logs(run_id, tail=1):
                self._board.heard(run_id, entry.text)


def _table(board: Board) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in (board.key, "STATE", "EXIT", "RAN"):
        table.add_column(name, no_wrap=True)
    table.add_column("LAST OUTPUT", no_wrap=True, overflow="ellipsis", style="dim")
    for run_id, value in board.values.items():
        run = board.runs.get(run_id)
        if run is None:
            table.add_row(Text(value), "submitted")
            continue
        code = "" if run.exit_code is None else str(run.exit_code)
        ran = durations.written(output.ran(run))
        last = Text(board.last_lines.get(run_id, ""))
        table.add_row(Text(value), Text.from_ansi(output.state(run)), code, ran, last)
    return table
