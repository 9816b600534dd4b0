"""The table of telemetry in ``logs.db``: written for many attempts at once, read run by run."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import add

from runsd_sdk.run import CallSample

from runsd.clock import instant
from runsd.faults import Step
from runsd.sqlite import Sqlite
from runsd.telemetry.counting import Counted
from runsd.telemetry.rows import Row, RowKind, take_in
from runsd.telemetry.sums import Account

Attempt = tuple[str, int]
"""Run id and number."""

# So many rows are read without holding anybody up.
_FEW = 200
_UPSERT = """
insert into telemetry values (:run_id, :attempt, :kind, :key, :value)
on conflict (run_id, attempt, kind, key) do update set value = excluded.value
"""
_COUNT = """
insert or replace into call_samples
values (:run_id, :attempt, :at_us, :requests, :tokens_in, :tokens_out)
"""
_CALLS = "select * from call_samples where run_id = :run_id order by attempt, at_us"
_NO_CALLS: tuple[int, ...] = (0, 0, 0)
_OF_ATTEMPT = "select * from telemetry where run_id = :run_id and attempt = :attempt"
_OF_RUN = "select * from telemetry where run_id = :run_id"


class Ledger:
    """What attempts have told, on disk."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def write(
        self, changes: Mapping[Attempt, Sequence[Row]], counted: Mapping[Attempt, Counted]
    ) -> None:
        """Store what has changed and been counted, all of it or nothing. Raises NotNow."""

        def job(db: sqlite3.Connection) -> None:
            db.executemany(
                _UPSERT,
                [
                    {"run_id": run, "attempt": attempt, "kind": row.kind, "key": row.key, "value": row.value}
                    for (run, attempt), rows in changes.items()
                    for row in rows
                ],
            )
            db.executemany(
                _COUNT,
                [
                    {"run_id": run, "attempt": attempt, "at_us": each.at_us, **asdict(each.totals)}
                    for (run, attempt), each in counted.items()
                ],
            )

        await self._db.write(job, Step.TELEMETRY)

    async def calls(self, run_id: str) -> list[CallSample]:
        """Return how many calls a run had told of by and by, those of earlier attempts among them."""
        before, last, attempt = _NO_CALLS, _NO_CALLS, None
        found = []
        for row in await self._db.all(_CALLS, {"run_id": run_id}):
            if row["attempt"] != attempt:
                before, attempt = last, row["attempt"]
            told = (row["requests"], row["tokens_in"], row["tokens_out"])
            last = tuple(map(add, before, told))
            requests, tokens_in, tokens_out = last
            at = instant(row["at_us"])
            found.append(CallSample(time=at, requests=requests, tokens_in=tokens_in, tokens_out=tokens_out))
        return found

    async def of_attempt(self, attempt: Attempt) -> Account:
        """Return what is stored of an attempt, to go on from. Raises NotNow."""
        rows = await self._db.all(_OF_ATTEMPT, {"run_id": attempt[0], "attempt": attempt[1]})
        return await _account(rows, apart=False)

    async def of_run(self, run_id: str) -> Account:
        """Return what is stored of all attempts of a run, as one. Raises NotNow."""
        return await _account(await self._db.all(_OF_RUN, {"run_id": run_id}), apart=True)


async def _account(rows: Sequence[sqlite3.Row], *, apart: bool) -> Account:
    def made() -> Account:
        account = Account()
        for row in rows:
            before = f"{row['attempt']}/" if apart else ""
            take_in(account, Row(RowKind(row["kind"]), row["key"], row["value"]), apart=before)
        return account

    return made() if len(rows) <= _FEW else await asyncio.to_thread(made)
