"""The runs: accepting them, reading them, and what their owners may ask of them."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from runsd_sdk.run import BatchState, Queue, Run, RunAttempt, RunList
from runsd_sdk.spec import RunSpec

from runsd import acts
from runsd.clock import Clock
from runsd.errors import Conflicting, Unknown
from runsd.faults import Step
from runsd.hook import Payload
from runsd.sqlite import Sqlite, statements
from runsd.store.events import add_event, add_events
from runsd.store.idempotency import Key, keep, replayed
from runsd.store.listing import RunFilter
from runsd.store.pages import Pages
from runsd.store.programs import inherit_lock
from runsd.store.projects import require_project, require_room
from runsd.store.queue import queue_of
from runsd.store.rows import attempt_of, batch_of, fresh_run, run_of
from runsd.store.secrets import give_secrets
from runsd.store.volumes import resolve_mounts

SQL = statements(Path(__file__).with_name("runs.sql"))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a rerun keeps of the run before: the commit of its source, and its lock."""

    commit: str | None = None
    lock: bool = False


NOTHING_KEPT = Kept()


@dataclass(frozen=True, slots=True)
class TaskRef:
    """The task that a run is of, which of its versions, and for which instant of its schedule."""

    id: str
    version: int | None
    scheduled_us: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run comes from: the run before with what it keeps of that, and its task."""

    rerun_of: str | None = None
    kept: Kept = NOTHING_KEPT
    task: TaskRef | None = None


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Submission:
    """Runs to accept together, with the idempotency key that makes a repetition harmless.

    ``payload`` is what came to a hook; a rerun has that of the run before. ``fingerprint`` stands for the
    whole request: the same key with another one is refused. ``one`` is False for a batch, whose errors say
    which run they are about. ``origins`` say of each run where it comes from, if from anywhere.
    """

    project: str
    specs: Sequence[RunSpec]
    key: str | None = None
    fingerprint: str = ""
    origins: Sequence[Origin] = ()
    trigger: str = "api"
    one: bool = True
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The runs of a submission; ``replayed`` when an earlier request had made them."""

    runs: list[Run]
    replayed: bool


class Runs:
    """The table of runs as their owners see it."""

    def __init__(
        self, db: Sqlite, *, clock: Clock, new_id: Callable[[str], str], hostname: str, price_usd: Decimal
    ) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._hostname = hostname
        self._price_usd = price_usd
        self._pages = Pages(db, price_usd=price_usd)

    async def submit(self, submission: Submission, *, check: Callable[[], None] = lambda: None) -> Accepted:
        """Accept all runs of a submission in one transaction; they survive a power cut when this returns.

        ``check`` may raise what forbids to accept any; a repetition is answered all the same. Raises
        Conflicting when the key was used with another request, Refused for an unknown volume or secret.
        """

        def job(db: sqlite3.Connection) -> Accepted:
            now = self._clock()
            key = _key(submission)
            ids = None if key is None else replayed(db, submission.project, key, now)
            if ids is None:
                check()
                return Accepted(self.insert(db, submission, now), replayed=False)
            rows = db.execute(SQL["many"], {"ids": json.dumps(ids)}).fetchall()
            by_id = {row["id"]: run_of(row, self._price_usd) for row in rows}
            return Accepted([by_id[id] for id in ids if id in by_id], replayed=True)

        return await self._db.write(job, Step.SUBMIT)

    async def get(self, project: str, id: str) -> Run:
        """Return a run. Raises Unknown."""
        row = await self._db.one(SQL["get"], {"project": project, "id": id})
        if row is None:
            raise _unknown(id)
        return run_of(row, self._price_usd)

    async def attempts(self, project: str, id: str) -> list[RunAttempt]:
        """Return a run's attempts, the first one first. Raises Unknown."""
        await self.get(project, id)
        rows = await self._db.all(SQL["attempts"], {"id": id})
        return [attempt_of(row, self._price_usd) for row in rows]

    async def batch(self, project: str, id: str) -> BatchState:
        """Return how far the runs are that were submitted together with this one, which may be deleted.

        Raises Unknown where it was alone, all are deleted, or of this one not even events are left.
        """
        async with self._db.reading() as reader:
            ends = list(await reader.execute_fetchall(SQL["batch_ends"], {"project": project, "id": id}))
            if not ends:
                raise _unknown(id)
            given = {"project": project, "before": ends[0]["before"], "after": ends[0]["after"]}
            rows = list(await reader.execute_fetchall(SQL["batch"], given))
        return batch_of(rows, self._price_usd)

    async def page(self, wanted: RunFilter) -> RunList:
        """Return a page of runs, newest first.

        It ends early, with a cursor, where specs are very large, where few of many runs match, and where a
        search for a text takes long.
        """
        return await self._pages.page(wanted)

    async def queue(self, project: str, *, limit: int) -> Queue:
        """Return what of a project is live, and what waits in the order of claim; ``limit`` of each."""
        return await queue_of(self._db, project, limit=limit, price_usd=self._price_usd)

    async def names(self, project: str, ids: Iterable[str]) -> dict[str, str | None]:
        """Return what those of some runs are called that a project still has."""
        given = {"project": project, "ids": json.dumps(sorted(ids))}
        return {row["id"]: row["name"] for row in await self._db.all(SQL["names"], given)}

    async def cancel(
        self, project: str, id: str, *, on_change: Callable[[Run], None] = lambda _: None
    ) -> Run:
        """Ask a run to end: a queued one is over at once, a live one is stopped, an ended one stays.

        ``on_change`` is called if it was this call that moved the run. Raises Unknown.
        """

        changed = await self._db.write(
            lambda db: self.ask_to_end(db, project, id, self._clock()), Step.CANCEL
        )
        if changed is None:
            return await self.get(project, id)
        on_change(changed)
        return changed

    def ask_to_end(self, db: sqlite3.Connection, project: str, id: str, now: int) -> Run | None:
        """Cancel a run inside somebody else's transaction; None if it is being stopped or over."""
        given = {"id": id, "project": project, "now": now, "message": "cancelled while queued"}
        for statement, event in (("cancel_queued", "run.finished"), ("cancel_live", "run.stopping")):
            for row in db.execute(SQL[statement], given).fetchall():
                add_event(db, id, now, event, {"reason": "cancelled"})
                return run_of(row, self._price_usd)
        return None

    async def extend(self, project: str, id: str, timeout_s: int) -> Run:
        """Give a run that is not over another timeout, counted from its start.

        Raises Unknown, and Conflicting when it has ended or is being stopped.
        """
        return await self._change(
            project, id, "extend", "run.extended", {"timeoutSeconds": timeout_s}, {"timeout_s": timeout_s}
        )

    async def relabel(self, project: str, id: str, labels: Mapping[str, str]) -> Run:
        """Replace a run's labels, whatever its state. Raises Unknown."""

        def also(db: sqlite3.Connection) -> None:
            db.execute(SQL["delete_labels"], {"id": id})
            db.executemany(
                SQL["insert_label"], [{"run_id": id, "key": k, "value": v} for k, v in labels.items()]
            )

        return await self._change(
            project, id, "relabel", "run.relabelled", {"labels": dict(labels)},
            {"labels": json.dumps(labels)}, also,
        )  # fmt: skip

    async def forget(self, project: str, id: str) -> None:
        """Delete an ended run; its usage stays. Raises Unknown, and Conflicting while it is live."""

        def job(db: sqlite3.Connection) -> bool:
            add_event(db, id, self._clock(), "run.deleted", {})
            return bool(db.execute(SQL["forget"], {"id": id, "project": project}).fetchall())

        run = await self.get(project, id)
        if not run.status.terminal or not await self._db.write(job, Step.FORGET):
            raise Conflicting(f"cannot delete {id}: it is {run.status}; cancel it first")

    async def payload_bytes(self, ids: Iterable[str]) -> int:
        """Return how much has come with hooks for some runs, which runs that are made of them take over."""
        rows = await self._db.all(SQL["payload_bytes"], {"ids": json.dumps(list(ids))})
        return sum(row["size"] for row in rows)

    def insert(self, db: sqlite3.Connection, submission: Submission, now: int) -> list[Run]:
        """Accept all runs of a submission inside somebody else's transaction. Raises Refused."""
        require_project(db, submission.project)
        require_room(db, submission.project, more=len(submission.specs))
        specs = resolve_mounts(db, submission.project, submission.specs, one=submission.one)
        ids = [self._new_id("run") for _ in specs]
        origins = submission.origins or [NOWHERE] * len(specs)
        payloads = [_has_payload(db, submission, origin) for origin in origins]
        rows = [
            self._row(id, spec, submission, origin, now) | {"has_payload": has}
            for id, spec, origin, has in zip(ids, specs, origins, payloads, strict=True)
        ]
        db.executemany(SQL["insert"], rows)
        if submission.payload is not None:
            came = {"body": submission.payload.body, "headers": json.dumps(submission.payload.headers)}
            db.executemany(SQL["insert_payload"], [{"id": id, **came} for id in ids])
        again = [
            {"id": row["id"], "of": row["rerun_of"]} for row in rows if row["rerun_of"] and row["has_payload"]
        ]
        if again:
            db.executemany(SQL["keep_payload"], again)
        acts.about(submission.project, *ids)
        pairs = list(zip(ids, specs, strict=True))
        labels = [{"run_id": i, "key": k, "value": v} for i, s in pairs for k, v in s.labels.items()]
        volumes = [{"run_id": i, "volume_id": m.volume_id} for i, s in pairs for m in s.volume_mounts]
        if labels:
            db.executemany(SQL["insert_label"], labels)
        if volumes:
            db.executemany(SQL["insert_volume"], volumes)
        give_secrets(db, submission.project, pairs, one=submission.one)
        for id, origin in zip(ids, origins, strict=True):
            if origin.kept.lock and origin.rerun_of is not None:
                inherit_lock(db, id, origin.rerun_of)
        add_events(db, ids, now, "run.submitted", {})
        if (key := _key(submission)) is not None:
            keep(db, submission.project, key, ids, now)
        return [fresh_run(row, spec, self._price_usd) for row, spec in zip(rows, specs, strict=True)]

    def _row(
        self, id: str, spec: RunSpec, submission: Submission, origin: Origin, now: int
    ) -> dict[str, Any]:
        requests = spec.resources.requests
        ttl = spec.queue_ttl_seconds
        return {
            "id": id,
            "project": submission.project,
            "name": spec.name,
            "labels": json.dumps(spec.labels),
            "spec": spec.model_dump_json(by_alias=True),
            "cpu_milli": requests.cpu_milli,
            "memory_bytes": requests.memory_bytes,
            "gpus": requests.gpus,
            "priority": spec.priority,
            "timeout_s": spec.timeout_seconds,
            "grace_s": float(spec.stop_grace_seconds),
            "now": now,
            "expires_us": None if ttl is None else now + ttl * 1_000_000,
            "trigger": submission.trigger,
            "rerun_of": origin.rerun_of,
            "task": origin.task.id if origin.task else None,
            "task_version": origin.task.version if origin.task else None,
            "scheduled_us": origin.task.scheduled_us if origin.task else None,
            "hostname": self._hostname,
            "source_commit": origin.kept.commit,
        }

    async def _change(
        self,
        project: str,
        id: str,
        statement: str,
        event: str,
        said: Mapping[str, Any],
        values: Mapping[str, Any],
        also: Callable[[sqlite3.Connection], Any] | None = None,
    ) -> Run:
        def job(db: sqlite3.Connection) -> Run | None:
            for row in db.execute(SQL[statement], {"id": id, "project": project, **values}).fetchall():
                if also is not None:
                    also(db)
                add_event(db, id, self._clock(), event, said)
                return run_of(row, self._price_usd)
            return None

        changed = await self._db.write(job, Step.CHANGE)
        if changed is None:
            run = await self.get(project, id)
            raise Conflicting(f"cannot {statement} {id}: it is {run.phase}")
        return changed


def _has_payload(db: sqlite3.Connection, submission: Submission, origin: Origin) -> int:
    if origin.rerun_of is None:
        return int(submission.payload is not None)
    return len(db.execute(SQL["payload_bytes"], {"ids": json.dumps([origin.rerun_of])}).fetchall())


def _key(submission: Submission) -> Key | None:
    return None if submission.key is None else Key(submission.key, submission.fingerprint)


def _unknown(id: str) -> Unknown:
    return Unknown(f"there is no run {id[:64]!r}; list them with GET /v1/runs")
