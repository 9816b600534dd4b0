"""Timers on the wall clock: moved along with it when somebody steps it."""

import json
import sqlite3
from dataclasses import asdict, dataclass

from runsd.faults import Step
from runsd.schedule import LARGE_STEP_US
from runsd.sqlite import Sqlite

_SEEN = "select value from meta where key = 'clock'"
_SEE = "insert or replace into meta (key, value) values ('clock', :value)"
_BOOTS = "select value from meta where key = 'boots'"
_KEEP_BOOTS = "insert or replace into meta (key, value) values ('boots', :value)"
_MOST_BOOTS = 100
_MOVE = (
    "update runs set not_before_us = not_before_us + :by, expires_us = expires_us + :by"
    " where phase = 'queued'",
    "update runs set deadline_us = deadline_us + :by, stop_us = stop_us + :by"
    " where phase not in ('queued', 'finished')",
    "update webhook_deliveries set next_us = next_us + :by where next_us is not null",
    "update webhooks set failing_us = failing_us + :by where failing_us is not null",
    # Schedules go by the wall clock; that it has left something out is told to them.
    "update schedules set jumped_us = coalesce(jumped_us, :before) where :by > 0 and :by <= :large_step",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The wall clock, and at the same moment the clock that counts since the host's boot. Microseconds."""

    boot: str
    wall_us: int
    since_boot_us: int

    def stepped_us(self, before: "Reading") -> int:
        """Return by how much the wall clock was stepped since an earlier reading; 0 after another boot."""
        if before.boot != self.boot:
            return 0
        return (self.wall_us - before.wall_us) - (self.since_boot_us - before.since_boot_us)


class Timers:
    """Backoffs, queue deadlines and shown deadlines of live runs; and when the host was booted."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def boots(self, reading: Reading) -> list[int]:
        """Return when the host was booted, as often as a daemon has seen it, the present boot included."""
        row = await self._db.one(_BOOTS)
        seen: dict[str, int] = json.loads(row["value"]) if row else {}
        if reading.boot not in seen:
            seen[reading.boot] = reading.wall_us - reading.since_boot_us
            kept = dict(list(seen.items())[-_MOST_BOOTS:])

            def job(db: sqlite3.Connection) -> None:
                db.execute(_KEEP_BOOTS, {"value": json.dumps(kept)})

            await self._db.write(job, Step.CLOCK)
        return list(seen.values())

    async def last_reading(self) -> Reading | None:
        """Return the reading to which the stored timers belong."""
        row = await self._db.one(_SEEN)
        return None if row is None else Reading(**json.loads(row["value"]))

    async def move(self, by_us: int, reading: Reading) -> None:
        """Move all timers, and note the reading to which they belong now."""

        def job(db: sqlite3.Connection) -> None:
            if by_us:
                given = {"by": by_us, "before": reading.wall_us - by_us, "large_step": LARGE_STEP_US}
                for sql in _MOVE:
                    db.execute(sql, given)
            db.execute(_SEE, {"value": json.dumps(asdict(reading))})

        await self._db.write(job, Step.CLOCK)
