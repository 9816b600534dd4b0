"""Everything that retention is about, over real files: the store, the logs, and the janitor himself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runsd.config import RetentionSettings
from runsd.logs.kept import KeptLogs
from runsd.metrics import Metrics
from runsd.signals import Signals
from runsd.store.projects import Projects
from runsd.store.retention import Retention
from runsd.supervise.janitor import Janitor
from tests.store.desk import Desk, open_desk
from tests.store.logbook import OUT, Book, numbered, open_book

DAY_S = 24 * 3600
NO_LIMITS = RetentionSettings(
    runs_days=0,
    logs_days=0,
    events_days=0,
    max_runs=0,
    max_log_bytes=0,
    max_events=0,
    deliveries_days=0,
    audit_days=0,
    max_deliveries=0,
)


@dataclass(frozen=True, slots=True)
class Attic:
    """Both files, and who tidies them."""

    desk: Desk
    book: Book
    retention: Retention
    logs: KeptLogs
    projects: Projects
    hurried: asyncio.Event
    sourceless: list[str]

    async def forget_sources(self, project: str) -> None:
        """Note that a project's sources would go."""
        self.sourceless.append(project)

    async def tidied(self, **settings: Any) -> None:
        """Let a new janitor go round once with these settings and no other limits."""
        await self.janitor(**settings).tidy()

    def janitor(self, **settings: Any) -> Janitor:
        """Return a janitor with these settings and no other limits."""
        return Janitor(
            self.retention,
            self.logs,
            self.desk.deliveries,
            self.desk.audit,
            (self.desk.db, self.book.db),
            projects=self.projects,
            forget_sources=self.forget_sources,
            hurry=self.hurried.is_set,
            settings=NO_LIMITS.model_copy(update=settings),
            metrics=Metrics(),
            signals=Signals(),
            clock=self.desk.hands.now,
        )

    async def ended(self, *, output: int = 100, **spec: Any) -> str:
        """Bring a run with some output to its end now, and return its id."""
        run = await self.desk.finished(**spec)
        await self.write(run.id, output)
        return run.id

    async def write(self, run_id: str, size: int) -> None:
        """Store output of a run's first attempt."""
        capture = await self.book.writer.capture(run_id, 1)
        data = numbered(size)
        for at in range(0, size, 65_536):
            await capture.feed(OUT, data[at : at + 65_536])
            await capture.flush()

    async def runs(self) -> set[str]:
        """Return the ids of all runs."""
        return {row["id"] for row in await self.desk.db.all("select id from runs")}

    async def logged(self) -> set[str]:
        """Return the ids of all runs of which some output is stored."""
        return {row["run_id"] for row in await self.book.db.all("select distinct run_id from chunks")}

    async def events(self) -> set[str]:
        """Return the ids of all runs that have events."""
        return {row["run_id"] for row in await self.desk.db.all("select distinct run_id from events")}

    async def untouchable(self) -> list[list[tuple[Any, ...]]]:
        """Return every row that retention must never touch."""
        everything = await self.desk.everything()
        return [everything["usage_lines"], everything["volumes"]]


@asynccontextmanager
async def open_attic(directory: Path) -> AsyncIterator[Attic]:
    """Open the files of a directory."""
    async with (
        open_desk(directory / "runsd.db") as desk,
        open_book(directory / "logs.db", cap=256 * 1024**2) as book,
    ):
        retention = Retention(desk.db, clock=desk.hands.now)
        projects = await Projects.load(desk.db, clock=desk.hands.now)
        yield Attic(desk, book, retention, KeptLogs(book.db), projects, asyncio.Event(), [])
