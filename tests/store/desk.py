"""The store as a test sits at it: runs are brought to a phase by the store's own edges."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from runsd_sdk.host import Volume
from runsd_sdk.run import Reason, Run
from runsd_sdk.spec import RunSpec, VolumeSpec

from runsd.clock import micros
from runsd.ids import Ids
from runsd.keyring import Keyring
from runsd.run import Outcome
from runsd.sqlite import Sqlite
from runsd.store.attempts import Attempts, Work
from runsd.store.audit import Audit
from runsd.store.database import open_database
from runsd.store.deliveries import Deliveries
from runsd.store.ended import Ended
from runsd.store.events import Events
from runsd.store.runs import Runs, Submission
from runsd.store.usage import UsageLines
from runsd.store.volumes import Volumes
from runsd.store.webhooks import Webhooks

SECOND = 1_000_000
START = micros(datetime(2026, 11, 22, 1, 0, tzinfo=UTC))
PROJECT = "default"
PRICE = Decimal("0.00004")
BEGAN: Any = {"boot": "this boot", "began_us": 5_000_000}
SUCCESS = Outcome(Reason.EXITED, "exited with code 0", 0)
FAILURE = Outcome(Reason.EXITED, "exited with code 3", 3)


class Hands:
    """A clock whose hands a test moves. Every look at it is a microsecond later."""

    def __init__(self) -> None:
        self.us = START

    def now(self) -> int:
        """Return the present in microseconds since the epoch."""
        self.us += 1
        return self.us

    def forward(self, seconds: float) -> None:
        """Let time go by."""
        self.us += int(seconds * SECOND)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that is stored, over one database."""

    db: Sqlite
    hands: Hands
    audit: Audit
    runs: Runs
    attempts: Attempts
    volumes: Volumes
    events: Events
    usage: UsageLines
    keyring: Keyring
    webhooks: Webhooks
    deliveries: Deliveries

    async def submit(self, **spec: Any) -> Run:
        """Submit one run."""
        return (await self.submit_all(spec))[0]

    async def submit_all(self, *specs: dict[str, Any], **submission: Any) -> list[Run]:
        """Submit runs together."""
        accepted = await self.runs.submit(
            Submission(PROJECT, [RunSpec(**{"image": "alpine", **spec}) for spec in specs], **submission)
        )
        return accepted.runs

    async def volume(self, name: str, **labels: str) -> Volume:
        """Add a volume that the Engine has made."""
        volume = await self.volumes.add(PROJECT, VolumeSpec(name=name, labels=labels))
        await self.volumes.keep(volume)
        return volume

    async def admitted(self, **spec: Any) -> Work:
        """Bring a run to its first attempt."""
        run = await self.submit(**spec)
        return await self.admit(run.id)

    async def admit(self, id: str) -> Work:
        """Admit a run, and return the attempt."""
        assert await self.attempts.admit(id)
        return await self.work(id)

    async def work(self, id: str) -> Work:
        """Return the live attempt of a run."""
        work = await self.attempts.work(id)
        assert work is not None
        return work

    async def running(self, **spec: Any) -> Work:
        """Bring a run to where its container runs, from now on."""
        work = await self.admitted(**spec)
        await self.attempts.created(work, "c" * 64, engine="E in /root")
        await self.attempts.started(work, self.hands.now(), **BEGAN)
        return await self.work(work.id)

    async def finished(self, *, ran_s: float = 1, outcome: Outcome = SUCCESS, **spec: Any) -> Run:
        """Bring a run to its end, after so many seconds."""
        work = await self.running(**spec)
        assert await self.attempts.finish(work, self.ended(work, ran_s=ran_s, outcome=outcome))
        return await self.get(work.id)

    def ended(self, work: Work, *, ran_s: float = 1, outcome: Outcome = SUCCESS) -> Ended:
        """Return the end of an attempt that ran for so many seconds."""
        assert work.started_us is not None
        return Ended(outcome, work.started_us, work.started_us + int(ran_s * SECOND))

    async def get(self, id: str) -> Run:
        """Return a run."""
        return await self.runs.get(PROJECT, id)

    async def told(self, id: str) -> list[str]:
        """Return the types of a run's events."""
        return [event.type for event in await self.events.after(PROJECT, 0, run_id=id)]

    async def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""
        tables = await self.db.all("select name from sqlite_schema where type = 'table' order by name")
        return {
            name: [tuple(row) for row in await self.db.all(f"select * from {name}")] for (name,) in tables
        }


@asynccontextmanager
async def open_desk(path: Path) -> AsyncIterator[Desk]:
    """Open the store over a file."""
    db, hands = await open_database(path), Hands()
    new_id = Ids(hands.now).new
    keyring = Keyring(path.with_name("secrets.key"))
    try:
        yield Desk(
            db=db,
            hands=hands,
            audit=Audit(db, clock=hands.now),
            runs=Runs(db, clock=hands.now, new_id=new_id, hostname="host", price_usd=PRICE),
            attempts=Attempts(db, clock=hands.now),
            volumes=Volumes(db, clock=hands.now, new_id=new_id),
            events=Events(db),
            usage=UsageLines(db),
            keyring=keyring,
            webhooks=Webhooks(db, keyring, clock=hands.now, new_id=new_id),
            deliveries=Deliveries(db, clock=hands.now, price_usd=PRICE),
        )
    finally:
        await db.close()
