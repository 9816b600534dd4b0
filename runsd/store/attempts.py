"""The edges of the state machine: one method, one guarded transaction, one event each.

A method that answers None (or False) was too late: somebody else moved the run first, which is ordinary.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runsd_sdk.run import Reason
from runsd_sdk.spec import RunSpec

from runsd.admission import Holding, Resources, Waiting
from runsd.clock import Clock, micros
from runsd.faults import Step
from runsd.sqlite import Sqlite, statements
from runsd.store.ended import Ended, added_usage, billed_us, usage_lines
from runsd.store.events import add_event
from runsd.store.returned import keep_returned

SQL = statements(Path(__file__).with_name("runs.sql"))
_EXPIRED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Work:
    """An attempt to carry out, as far as it has come. Instants are microseconds since the epoch.

    ``engine`` has its container; it was seen to run ``began_us`` microseconds after the host's ``boot``. No
    container was ever asked for before ``image_id`` is known.
    """

    id: str
    project: str
    attempt: int
    spec: RunSpec
    created_us: int
    image_id: str | None
    container_id: str | None
    engine: str | None
    started_us: int | None
    boot: str | None
    began_us: int | None
    cancelled: bool
    stop_us: int | None
    stop_reason: Reason | None
    source_commit: str | None
    has_payload: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """How many queued runs of its project are ahead of one, and before when it is not started.

    ``others`` tells whether other projects have queued runs too, and not how many.
    """

    ahead: int
    not_before_us: int | None
    others: bool = False


class Attempts:
    """The queue and the live attempts, as the supervising loops see them."""

    def __init__(self, db: Sqlite, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def waiting(
        self, limit: int, *, within: Resources, project: str | None = None
    ) -> Mapping[str, Sequence[Waiting]]:
        """Return the first of each project's queued runs, or of one project's, in order of claim.

        Those who ask for more than ``within`` are left out, and so are projects without others.
        """
        given: dict[str, Any] = {"now": self._clock(), "limit": limit, "project": project}
        given |= {"cpu_milli": within.cpu_milli, "memory_bytes": within.memory_bytes, "gpus": within.gpus}
        queues: dict[str, list[Waiting]] = {}
        for r in await self._db.all(SQL["queue"], given):
            asks = Resources(r["cpu_milli"], r["memory_bytes"], r["gpus"])
            run = Waiting(r["id"], asks, r["timeout_s"] + r["grace_s"])
            queues.setdefault(r["project"], []).append(run)
        return queues

    async def holding(self, *, project: str | None = None) -> Sequence[Holding]:
        """Return what live attempts (of one project) hold, and when each is over at the latest."""
        now = self._clock()
        query = "holding" if project is None else "holding_of"
        return [
            Holding(Resources(r["cpu_milli"], r["memory_bytes"], r["gpus"]), _ends_in_s(r, now), r["project"])
            for r in await self._db.all(SQL[query], {"project": project})
        ]

    async def used(self, project: str, month: str) -> int:
        """Return the nano-vCPU-seconds of a month (``2026-11``): what is billed, and of live runs so far.

        The latter by the daemon's clock: it is for budgets, not for the bill.
        """
        month_us = micros(datetime.fromisoformat(f"{month}-01T00:00:00+00:00"))
        given = {"project": project, "month": month, "month_us": month_us, "now": self._clock()}
        row = await self._db.one(SQL["used"], given)
        return int(row["nano_vcpu_s"]) if row else 0

    async def place(self, id: str) -> Place:
        """Return where a run stands in the queue; nobody is ahead of one that has left it."""
        row = await self._db.one(SQL["place"], {"id": id})
        return Place(row["ahead"], row["not_before_us"], bool(row["others"])) if row else Place(0, None)

    async def queued(self, *, project: str | None = None) -> int:
        """Count the queue, or what one project has in it."""
        query = "count_queued" if project is None else "count_queued_of"
        row = await self._db.one(SQL[query], {"project": project})
        return int(row[0]) if row else 0

    async def starting(self, *, engine: str | None) -> int:
        """Count the live runs on their way to a start by this Engine; those that pull are not yet."""
        row = await self._db.one(SQL["starting"], {"engine": engine})
        return int(row[0]) if row else 0

    async def live(self) -> list[str]:
        """Return the ids of all admitted runs that are not over."""
        return [row["id"] for row in await self._db.all(SQL["live"])]

    async def live_attempt(self, run_id: str) -> int:
        """Return the number of a run's live attempt, 0 for none."""
        return (await self.current([run_id])).get(run_id, 0)

    async def images(self) -> set[str]:
        """Return the ids of the images that live runs are made from."""
        return {row["image_id"] for row in await self._db.all(SQL["live_images"])}

    async def uploads(self, among: Iterable[str]) -> set[str]:
        """Return which of some uploads are the sources of runs that are not over."""
        rows = await self._db.all(SQL["uploads"], {"ids": json.dumps(sorted(among))})
        return {row["upload"] for row in rows}

    async def current(self, run_ids: Iterable[str]) -> dict[str, int]:
        """Return, of those runs that are known, the live attempt, or 0."""
        rows = await self._db.all(SQL["current"], {"ids": json.dumps(sorted(run_ids))})
        return {row["id"]: row["attempt"] for row in rows}

    async def next_timer(self) -> int | None:
        """Return when a queued run expires or its backoff ends, whichever is next."""
        row = await self._db.one(SQL["next_timer"], {"now": self._clock()})
        return row[0] if row else None

    async def work(self, id: str) -> Work | None:
        """Return the live attempt of a run, if it has one."""
        row = await self._db.one(SQL["work"], {"id": id})
        return None if row is None else _work(row)

    async def admit(self, id: str) -> bool:
        """Queued → starting: make the next attempt."""

        def job(db: sqlite3.Connection) -> bool:
            now = self._clock()
            for row in db.execute(SQL["admit"], {"id": id, "now": now}).fetchall():
                db.execute(SQL["insert_attempt"], {"id": id, "attempt": row["attempt"], "now": now})
                add_event(db, id, now, "run.admitted", {"attempt": row["attempt"]})
                return True
            return False

        return await self._db.write(job, Step.ADMIT)

    async def expire(self) -> list[str]:
        """Queued → finished, for runs whose time in the queue is up: some of them, if there are very many."""

        def job(db: sqlite3.Connection) -> list[str]:
            now = self._clock()
            message = "not started within queueTtlSeconds; allow more time or ask for fewer resources"
            rows = db.execute(SQL["expired"], {"now": now, "limit": _EXPIRED_AT_ONCE}).fetchall()
            for row in rows:
                db.execute(SQL["expire"], {"id": row["id"], "now": now, "message": message})
                add_event(db, row["id"], now, "run.finished", {"reason": Reason.QUEUE_EXPIRED.value})
            return [row["id"] for row in rows]

        return await self._db.write(job, Step.EXPIRE)

    async def pulling(self, work: Work) -> bool:
        """Starting → pulling."""
        return await self._move(Step.PULLING, "pull", work, "run.pulling", {"image": work.spec.reference})

    async def pull_progress(self, work: Work, done_bytes: int, total_bytes: int) -> None:
        """Tell how far the pull is, as an event."""

        def job(db: sqlite3.Connection) -> None:
            said = {"doneBytes": done_bytes, "totalBytes": total_bytes}
            add_event(db, work.id, self._clock(), "run.pull_progress", said)

        await self._db.write(job, Step.PULL_PROGRESS)

    async def preparing(self, work: Work) -> bool:
        """Starting or pulling → preparing: source and environment are being made ready."""
        return await self._move(Step.PREPARING, "prepare", work, "run.preparing", {})

    async def ready(self, work: Work, *, image_id: str, image_digest: str | None) -> bool:
        """Pulling or preparing → starting: the image that will run is known."""
        said = {"imageId": image_id, "imageDigest": image_digest}
        return await self._move(
            Step.READY, "ready", work, "run.image_ready", said, image_id=image_id, image_digest=image_digest
        )

    async def created(self, work: Work, container_id: str, *, engine: str | None) -> None:
        """Record the attempt's container before it is started: there will never be a second."""

        def job(db: sqlite3.Connection) -> None:
            given = {"id": work.id, "attempt": work.attempt, "container_id": container_id}
            given["engine"] = engine
            db.execute(SQL["created"], given)

        await self._db.write(job, Step.CREATED)

    async def unmade(self, work: Work) -> None:
        """Forget a container that was never started and never can be: another one takes its place."""

        def job(db: sqlite3.Connection) -> None:
            db.execute(SQL["unmade"], {"id": work.id, "attempt": work.attempt})

        await self._db.write(job, Step.UNMADE)

    async def started(self, work: Work, started_us: int, *, boot: str, began_us: int) -> bool:
        """Starting → running, by the Engine's own instant; repeating it changes nothing."""

        def job(db: sqlite3.Connection) -> bool:
            given = {"id": work.id, "attempt": work.attempt, "started_us": started_us}
            given |= {"boot": boot, "began_us": began_us}
            if not db.execute(SQL["started"], given).fetchall():
                return False
            db.execute(SQL["attempt_started"], given)
            add_event(db, work.id, self._clock(), "run.running", {"attempt": work.attempt})
            return True

        return await self._db.write(job, Step.STARTED)

    async def stop(self, work: Work, reason: Reason) -> bool:
        """Live → stopping: the intent is on record before the first signal.

        Too late also when the run has been given another timeout than the one that ``work`` knows.
        """
        timeout_s = work.spec.timeout_seconds
        said = {"reason": reason.value}
        return await self._move(
            Step.STOP, "stop", work, "run.stopping", said, reason=reason.value, timeout_s=timeout_s
        )

    async def finish(self, work: Work, ended: Ended) -> bool:
        """Live → finished: attempt, bill, run and event in one transaction."""

        def job(db: sqlite3.Connection) -> bool:
            return self._end(db, work, ended, not_before_us=None)

        return await self._db.write(job, Step.FINISH)

    async def retry(self, work: Work, ended: Ended, *, not_before_us: int) -> bool:
        """Live → queued: the attempt is over and billed, another follows."""

        def job(db: sqlite3.Connection) -> bool:
            return self._end(db, work, ended, not_before_us=not_before_us)

        return await self._db.write(job, Step.RETRY)

    def _end(self, db: sqlite3.Connection, work: Work, ended: Ended, *, not_before_us: int | None) -> bool:
        row = db.execute(SQL["work"], {"id": work.id}).fetchone()
        if row is None or row["attempt"] != work.attempt:
            return False
        now = self._clock()
        billed = billed_us(row, ended)
        given = {
            "id": work.id,
            "attempt": work.attempt,
            "now": now,
            "reason": ended.outcome.reason.value,
            "message": ended.outcome.message,
            "status": ended.outcome.status.value,
            "exit_code": ended.outcome.exit_code,
            "oom_killed": int(ended.outcome.oom_killed),
            "finished_us": ended.finished_us,
            "ended_us": ended.finished_us or now,
            "nano_vcpu_s": billed * row["cpu_milli"],
            "stdout_bytes": ended.stdout_bytes,
            "stderr_bytes": ended.stderr_bytes,
            "logs_truncated": int(ended.logs_truncated),
            "usage": json.dumps(added_usage(json.loads(row["usage"]), row, ended, billed)),
            "not_before_us": not_before_us,
        }
        move = "finish" if not_before_us is None else "retry"
        if not db.execute(SQL[move], given).fetchall():
            return False
        db.execute(SQL["end_attempt"], given)
        if ended.started_us is not None:
            lines = usage_lines(row, ended.started_us, billed)
            db.executemany(SQL["insert_usage_line"], lines)
            db.executemany(SQL["add_usage"], lines)
        said = {key: given[key] for key in ("attempt", "status", "reason", "message")}
        said["exitCode"] = ended.outcome.exit_code
        if ended.returned is not None:
            keep_returned(db, work.id, ended.returned)
        event = "run.finished" if move == "finish" else "run.retrying"
        add_event(db, work.id, now, event, said)
        return True

    async def _move(
        self, step: Step, statement: str, work: Work, event: str, said: dict[str, Any], **values: Any
    ) -> bool:
        def job(db: sqlite3.Connection) -> bool:
            given = {"id": work.id, "attempt": work.attempt, "now": self._clock(), **values}
            if not db.execute(SQL[statement], given).fetchall():
                return False
            add_event(db, work.id, given["now"], event, {"attempt": work.attempt, **said})
            return True

        return await self._db.write(job, step)


def _work(row: sqlite3.Row) -> Work:
    return Work(
        id=row["id"],
        project=row["project"],
        attempt=row["attempt"],
        spec=RunSpec.model_validate_json(row["spec"]),
        created_us=row["created_us"],
        image_id=row["image_id"],
        container_id=row["container_id"],
        engine=row["engine"],
        started_us=row["started_us"],
        boot=row["boot"],
        began_us=row["began_us"],
        cancelled=row["cancel_us"] is not None,
        stop_us=row["stop_us"],
        stop_reason=Reason(row["stop_reason"]) if row["stop_reason"] else None,
        source_commit=row["source_commit"],
        has_payload=bool(row["has_payload"]),
    )


def _ends_in_s(row: sqlite3.Row, now: int) -> float:
    grace_s = float(row["grace_s"])
    stops_us: int | None = row["deadline_us"] if row["stop_us"] is None else row["stop_us"]
    if stops_us is None:
        return int(row["timeout_s"]) + grace_s
    return max(0.0, (stops_us - now) / 1e6 + grace_s)
