"""Samples: processor time and memory of running attempts."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from runsd_sdk.run import Sample

from runsd.clock import instant
from runsd.faults import Step
from runsd.sqlite import Sqlite

_INSERT = "insert or ignore into samples values (:run_id, :attempt, :at_us, :cpu_us, :memory_bytes)"
_SELECT = "select * from samples where run_id = :run_id order by attempt, at_us"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of an attempt; ``at_us`` is microseconds since the epoch."""

    run_id: str
    attempt: int
    at_us: int
    cpu_us: int
    memory_bytes: int


class Samples:
    """The table of samples."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def add(self, measured: Sequence[Measured]) -> None:
        """Store one round of measurements."""

        def job(db: sqlite3.Connection) -> None:
            db.executemany(
                _INSERT,
                [
                    {
                        "run_id": m.run_id,
                        "attempt": m.attempt,
                        "at_us": m.at_us,
                        "cpu_us": m.cpu_us,
                        "memory_bytes": m.memory_bytes,
                    }
                    for m in measured
                ],
            )

        await self._db.write(job, Step.SAMPLES)

    async def of_run(self, run_id: str) -> list[Sample]:
        """Return a run's samples, attempt by attempt."""
        rows = await self._db.all(_SELECT, {"run_id": run_id})
        return [
            Sample(time=instant(r["at_us"]), cpu_seconds=r["cpu_us"] / 1e6, memory_bytes=r["memory_bytes"])
            for r in rows
        ]
