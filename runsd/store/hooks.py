"""The hooks of tasks: their tokens as hashes, the deliveries that came, and what came with them."""

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runsd_sdk.run import Run
from runsd_sdk.spec import RunSpec

from runsd import acts
from runsd.clock import Clock
from runsd.errors import Refused, Unknown
from runsd.faults import Step
from runsd.hook import Payload
from runsd.sqlite import Sqlite, statements
from runsd.store.runs import Origin, Runs, Submission, TaskRef
from runsd.store.specs import stored_spec

SQL = statements(Path(__file__).with_name("hooks.sql"))
_REMEMBERED_US = 30 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook with the task that it starts, in its present version. ``secret`` names the one that signs.

    ``spec`` is what runs, or why it cannot.
    """

    task_id: str
    project: str
    name: str
    version: int
    spec: RunSpec | Refused
    secret: str | None
    token_hash: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The run of a delivery; ``run`` is None when an earlier delivery had made it."""

    run_id: str
    run: Run | None


class Hooks:
    """The table of hooks."""

    def __init__(self, db: Sqlite, runs: Runs, *, clock: Clock) -> None:
        self._db = db
        self._runs = runs
        self._clock = clock

    async def open(self, task_id: str, *, secret: str | None) -> str:
        """Give a task a hook, in the place of the one that it may have; return the token.

        It is kept nowhere. Raises Unknown when the task is gone.
        """
        token = new_token()

        def job(db: sqlite3.Connection) -> None:
            put(db, task_id, token, secret, self._clock())

        await self._db.write(job, Step.TASK)
        return token

    async def close(self, task_id: str) -> None:
        """Take a task's hook away. Raises Unknown when it has none."""

        def job(db: sqlite3.Connection) -> bool:
            return bool(db.execute(SQL["remove"], {"id": task_id}).fetchall())

        if not await self._db.write(job, Step.TASK):
            raise Unknown("there is no hook of this task; make one with POST /v1/tasks/{id}/webhook")

    async def find(self, token: str) -> Hook:
        """Return the hook of a token. Raises Unknown, whatever is wrong with the token."""
        hashed = _hashed(token)
        row = await self._db.one(SQL["find"], {"hash": hashed})
        # The index has found it; that it is the same is settled in constant time.
        if row is None or not hmac.compare_digest(row["token_hash"], hashed):
            raise _unknown()
        return Hook(
            row["task_id"],
            row["project"],
            row["name"],
            row["version"],
            stored_spec(row["spec"]),
            row["secret"],
            row["token_hash"],
        )

    async def known(self, hook: Hook, delivery: str | None) -> Delivered | None:
        """Return what a delivery has made, if it has come before."""
        if delivery is None:
            return None
        row = await self._db.one(SQL["known"], {"id": hook.task_id, "delivery": delivery})
        return None if row is None else Delivered(row["run_id"], None)

    async def deliver(
        self,
        hook: Hook,
        spec: RunSpec,
        payload: Payload,
        *,
        delivery: str | None,
        check: Callable[[], None],
    ) -> Delivered:
        """Make the run of a delivery with what came with it, once for each name of a delivery.

        ``check`` may raise what forbids to make a run now. Raises Unknown when the hook was closed meanwhile,
        and Refused as ``Runs.submit`` does.
        """

        def job(db: sqlite3.Connection) -> Delivered:
            now = self._clock()
            given = {"id": hook.task_id, "hash": hook.token_hash, "delivery": delivery, "now": now}
            if not db.execute(SQL["used"], given).fetchall():
                raise _unknown()
            for row in db.execute(SQL["known"], given).fetchall():
                acts.leave_aside()  # that it came again changes nothing
                return Delivered(row["run_id"], None)
            check()
            acts.by(f"hook {hook.task_id}")
            of = Origin(task=TaskRef(hook.task_id, hook.version))
            wanted = Submission(hook.project, [spec], origins=[of], trigger="webhook", payload=payload)
            (run,) = self._runs.insert(db, wanted, now)
            if delivery is not None:
                db.execute(SQL["note"], {**given, "run_id": run.id})
                db.execute(SQL["forget"], {"id": hook.task_id, "before": now - _REMEMBERED_US})
            return Delivered(run.id, run)

        return await self._db.write(job, Step.DELIVERY)


class Payloads:
    """What came with the deliveries that have made runs."""

    def __init__(self, db: Sqlite) -> None:
        self._db = db

    async def of_run(self, run_id: str) -> Payload:
        """Return what came for a run."""
        row = await self._db.one(SQL["payload"], {"id": run_id})
        return Payload(b"", {}) if row is None else Payload(bytes(row["body"]), json.loads(row["headers"]))


def new_token() -> str:
    """Make a token that nobody guesses."""
    return f"hook_{secrets.token_urlsafe(32)}"


def put(db: sqlite3.Connection, task_id: str, token: str, secret: str | None, now: int) -> None:
    """Give a task a hook inside somebody else's transaction. Raises Unknown when the task is gone."""
    given = {"id": task_id, "hash": _hashed(token), "secret": secret, "now": now}
    try:
        db.execute(SQL["put"], given)
    except sqlite3.IntegrityError as failure:
        raise Unknown("there is no such task any more; list them with GET /v1/tasks") from failure


def _hashed(token: str) -> bytes:
    """A token is 256 random bits: of those no slow hash makes more."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _unknown() -> Unknown:
    return Unknown("there is no such hook; ask whoever gave you its address for the present one")
