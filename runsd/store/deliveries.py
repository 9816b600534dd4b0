"""The deliveries: what each webhook is to be told, has been told, or could not be told.

A trigger of the schema writes them, in the transaction of the event itself.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from runsd_sdk.webhook import TEST, Delivery, DeliveryAttempt, DeliveryList, DeliveryStatus

from runsd.clock import Clock, instant, instant_or_none
from runsd.errors import Conflicting, Unknown
from runsd.faults import Step
from runsd.sqlite import Sqlite, statements
from runsd.store.messages import body_of, payload
from runsd.store.webhooks import disable, forget_deleted

SQL = statements(Path(__file__).with_name("deliveries.sql"))
_NEWEST = 2**62


@dataclass(frozen=True, slots=True)
class Line:
    """An enabled webhook, and when the next of its deliveries is due, if any waits."""

    webhook_id: str
    next_us: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be attempted now; ``sealed`` are the secrets that sign it, encrypted."""

    number: int
    webhook_id: str
    message_id: str
    url: str
    body: bytes
    tries: int
    is_test: bool
    sealed: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending a message once; ``error`` None: it was taken."""

    at_us: int
    duration_us: int
    status_code: int | None
    error: str | None


class Deliveries:
    """The tables of deliveries and their attempts."""

    def __init__(self, db: Sqlite, *, clock: Clock, price_usd: Decimal) -> None:
        self._db = db
        self._clock = clock
        self._price_usd = price_usd

    async def page(
        self, webhook_id: str, *, status: str | None = None, limit: int = 50, before: int | None = None
    ) -> DeliveryList:
        """Return deliveries of a webhook, newest first, from below a number that a page before gave."""
        given = {"webhook_id": webhook_id, "status": status, "limit": limit + 1, "before": before or _NEWEST}
        rows = await self._db.all(SQL["page" if status is None else "page_of_status"], given)
        shown = rows[:limit]
        attempts = await self._attempts([row["number"] for row in shown])
        return DeliveryList(
            data=[_delivery(row, attempts[row["number"]]) for row in shown],
            next_cursor=str(shown[-1]["number"]) if len(rows) > limit else None,
        )

    async def get(self, webhook_id: str, id: str) -> Delivery:
        """Return a delivery with its payload. Raises Unknown."""
        row = await self._db.one(SQL["get"], {"webhook_id": webhook_id, "id": id})
        if row is None:
            raise Unknown(f"there is no delivery {id[:64]!r} of {webhook_id}; list them with .../deliveries")
        attempts = await self._attempts([row["number"]])
        return _delivery(row, attempts[row["number"]], payload=payload(row, self._price_usd))

    async def add_test(self, project: str, webhook_id: str) -> str:
        """Have a test message sent; return its id. Raises Conflicting for a webhook that is not enabled."""

        def job(db: sqlite3.Connection) -> str:
            now = self._clock()
            _require_enabled(db, project, webhook_id, "test")
            said = json.dumps({"webhookId": webhook_id})
            (id,) = db.execute(
                SQL["insert_message"], {"project": project, "type": TEST, "now": now, "data": said}
            ).fetchone()
            db.execute(SQL["insert"], {"webhook_id": webhook_id, "message_id": id, "now": now})
            return str(id)

        return await self._db.write(job, Step.ASK_DELIVERY)

    async def send_again(self, project: str, webhook_id: str, id: str) -> None:
        """Have a message sent again, whatever came of it, under the same id.

        Raises Unknown, and Conflicting for a webhook that is not enabled.
        """

        def job(db: sqlite3.Connection) -> None:
            _require_enabled(db, project, webhook_id, "send to")
            db.execute(SQL["again"], {"webhook_id": webhook_id, "id": id, "now": self._clock()}).fetchall()

        await self.get(webhook_id, id)
        await self._db.write(job, Step.ASK_DELIVERY)

    async def lines(self) -> list[Line]:
        """Return all enabled webhooks with what waits for them."""
        return [Line(row["id"], row["next_us"]) for row in await self._db.all(SQL["lines"])]

    async def due(self, webhook_id: str, limit: int) -> list[Due]:
        """Return deliveries of a webhook whose time has come, those that have waited longest first."""
        now = self._clock()
        given = {"webhook_id": webhook_id, "now": now, "limit": limit}
        return [self._due(row, now) for row in await self._db.all(SQL["due"], given)]

    async def delivered(self, due: Due, attempt: Attempt) -> None:
        """Record that a message was taken."""

        def job(db: sqlite3.Connection) -> None:
            now = self._clock()
            _tried(db, due, attempt, DeliveryStatus.DELIVERED, next_us=None, ended_us=now)
            db.execute(SQL["succeeded"], {"webhook_id": due.webhook_id})

        await self._db.write(job, Step.NOTE_DELIVERY)

    async def failed(
        self, due: Due, attempt: Attempt, *, next_us: int | None, patience_us: int, gone: bool = False
    ) -> str | None:
        """Record that a message was not taken: it is sent again at an instant, or given up with None.

        A webhook that took nothing for ``patience_us``, or is ``gone``, is disabled; why is returned then.
        """

        def job(db: sqlite3.Connection) -> str | None:
            now = self._clock()
            status = DeliveryStatus.FAILED if next_us is None else DeliveryStatus.PENDING
            _tried(db, due, attempt, status, next_us=next_us, ended_us=now if next_us is None else None)
            if due.is_test:
                return None  # somebody looks at what comes of it
            found = db.execute(SQL["failing"], {"webhook_id": due.webhook_id, "at_us": now}).fetchone()
            if found is None or not found["enabled"]:
                return None
            why = _why_disabled(attempt, now - found["failing_us"], patience_us, gone=gone)
            if why is not None:
                disable(db, due.webhook_id, now, why)
            return why

        return await self._db.write(job, Step.NOTE_DELIVERY)

    async def forget_ended(self, before_us: int, limit: int) -> int:
        """Forget some deliveries that ended before an instant; return how many."""
        return await self._forget(SQL["ended"], {"before": before_us, "limit": limit})

    async def forget_oldest(self, most: int, limit: int) -> int:
        """Forget some of the oldest deliveries where there are more than so many; return how many."""
        row = await self._db.one(SQL["count"])
        over = (int(row[0]) if row else 0) - most
        return await self._forget(SQL["oldest"], {"limit": min(limit, over)}) if over > 0 else 0

    async def forget_deleted(self, limit: int) -> int:
        """Forget some deliveries of deleted webhooks, and those webhooks at last; return how many."""
        return await self._forget(SQL["of_deleted"], {"limit": limit})

    async def forget_secrets(self) -> None:
        """Forget the former secrets that sign no more."""
        rows = await self._db.all(SQL["former"], {"now": self._clock()})
        if not rows:
            return

        def job(db: sqlite3.Connection) -> None:
            for row in rows:
                db.execute(SQL["drop_former"], {"id": row["id"]})
                db.execute(SQL["forget_value"], {"id": row["former_secret_id"]})

        await self._db.write(job, Step.FORGET_DELIVERIES)

    async def _forget(self, chosen: str, given: dict[str, Any]) -> int:
        numbers = [row["number"] for row in await self._db.all(chosen, given)]

        def job(db: sqlite3.Connection) -> None:
            db.execute(SQL["forget"], {"numbers": json.dumps(numbers)})
            forget_deleted(db)

        if numbers:
            await self._db.write(job, Step.FORGET_DELIVERIES)
        return len(numbers)

    async def _attempts(self, numbers: Sequence[int]) -> dict[int, list[DeliveryAttempt]]:
        found: dict[int, list[DeliveryAttempt]] = defaultdict(list)
        for row in await self._db.all(SQL["attempts"], {"deliveries": json.dumps(numbers)}):
            found[row["delivery"]].append(_attempt(row))
        return found

    def _due(self, row: sqlite3.Row, now: int) -> Due:
        former = row["former_secret"] if (row["former_until_us"] or 0) > now else None
        return Due(
            number=row["number"],
            webhook_id=row["webhook_id"],
            message_id=row["message_id"],
            url=row["url"],
            body=body_of(row, self._price_usd),
            tries=row["tries"],
            is_test=row["type"] == TEST,
            sealed=tuple(each for each in (row["secret"], former) if each is not None),
        )


def _require_enabled(db: sqlite3.Connection, project: str, webhook_id: str, what: str) -> None:
    row = db.execute(SQL["enabled"], {"project": project, "webhook_id": webhook_id}).fetchone()
    if row is None:
        raise Unknown(f"there is no webhook {webhook_id[:64]!r}; list them with GET /v1/webhooks")
    if not row["enabled"]:
        raise Conflicting(f"cannot {what} {webhook_id}: it is disabled; enable it first")


def _tried(
    db: sqlite3.Connection,
    due: Due,
    attempt: Attempt,
    status: DeliveryStatus,
    *,
    next_us: int | None,
    ended_us: int | None,
) -> None:
    # By all of its names: the number of one that was forgotten meanwhile may be another's by now.
    which = {"delivery": due.number, "message_id": due.message_id, "webhook_id": due.webhook_id}
    made = {"at_us": attempt.at_us, "duration_us": attempt.duration_us}
    answer = {"status_code": attempt.status_code, "error": attempt.error}
    db.execute(SQL["insert_attempt"], {**which, **made, **answer})
    changed = {"status": status.value, "next_us": next_us, "ended_us": ended_us}
    db.execute(SQL["tried"], {**which, **changed})


def _why_disabled(attempt: Attempt, failing_us: int, patience_us: int, *, gone: bool) -> str | None:
    if gone:
        return f"its receiver wants no more messages ({attempt.error})"
    if failing_us >= patience_us:
        return f"every attempt has failed for {failing_us / 3.6e9:.0f} hours; the last one: {attempt.error}"
    return None


def _delivery(
    row: sqlite3.Row, attempts: list[DeliveryAttempt], *, payload: dict[str, Any] | None = None
) -> Delivery:
    return Delivery(
        id=row["message_id"],
        webhook_id=row["webhook_id"],
        type=row["type"],
        run_id=row["run_id"],
        status=DeliveryStatus(row["status"]),
        created_at=instant(row["created_us"]),
        next_attempt_at=instant_or_none(row["next_us"]),
        ended_at=instant_or_none(row["ended_us"]),
        attempts=attempts,
        payload=payload,
    )


def _attempt(row: sqlite3.Row) -> DeliveryAttempt:
    return DeliveryAttempt(
        number=row["number"],
        at=instant(row["at_us"]),
        duration_seconds=row["duration_us"] / 1e6,
        status_code=row["status_code"],
        error=row["error"],
    )
