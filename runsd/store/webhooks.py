"""The webhooks: who is told of the events of a project's runs. A deleted one is seen by nobody."""

import base64
import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence

from runsd_sdk.signature import PREFIX
from runsd_sdk.webhook import Webhook, WebhookPatch, WebhookSpec

from runsd import acts
from runsd.clock import Clock, instant, instant_or_none
from runsd.errors import Conflicting, Unknown
from runsd.faults import Step
from runsd.keyring import Keyring
from runsd.sqlite import Sqlite
from runsd.store.projects import require_project
from runsd.store.secrets import keep_value

MOST = 20
"""How many webhooks a project may have."""

FORMER_SECRET_US = 24 * 3600 * 1_000_000
_SECRET_BYTES = 32
_BY_OWNER = "disabled by its owner"
_COUNT = "select count(*) from webhooks where project = :project and deleted_us is null"
_INSERT = """
insert into webhooks (
    id, project, url, description, events, enabled, secret_id, created_us, disabled_us, disabled_why
) values (
    :id, :project, :url, :description, :events, :enabled, :secret_id, :now,
    iif(:enabled, null, :now), iif(:enabled, null, :why)
)
"""
_PENDING = "(select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.status = 'pending')"
_LIST = f"select w.*, {_PENDING} as pending from webhooks w where project = :project and deleted_us is null"
_ALL = f"{_LIST} order by id"
_GET = f"{_LIST} and id = :id"
_CHANGE = "update webhooks set url = :url, description = :description, events = :events where id = :id"
_ENABLE = """
update webhooks set enabled = 1, disabled_us = null, disabled_why = null, failing_us = null
where id = :id and enabled = 0
"""
_DISABLE = """
update webhooks set enabled = 0, disabled_us = :now, disabled_why = :why where id = :id and enabled = 1
"""
_UNWANT = "delete from webhook_wants where webhook_id = :id"
_WANT = """
insert into webhook_wants (project, event, webhook_id)
select w.project, wanted.value, w.id from webhooks w, json_each(w.events) wanted
where w.id = :id and w.enabled = 1
"""
_SECRETS = "select secret_id, former_secret_id from webhooks where id = :id"
_ROTATE = """
update webhooks set secret_id = :secret_id, former_secret_id = secret_id, former_until_us = :until
where id = :id
"""
_DELETE = """
update webhooks set deleted_us = :now, secret_id = null, former_secret_id = null, former_until_us = null
where id = :id
"""
_FORGET_VALUE = "delete from secret_values where id = :id"
_FORGET = """
delete from webhooks where deleted_us is not null
    and not exists (select 1 from webhook_deliveries d where d.webhook_id = webhooks.id)
"""


class Webhooks:
    """The table of webhooks. What has to do with their secrets may raise SecretsLocked."""

    def __init__(self, db: Sqlite, keyring: Keyring, *, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._db = db
        self._keyring = keyring
        self._clock = clock
        self._new_id = new_id

    async def add(self, project: str, spec: WebhookSpec) -> Webhook:
        """Register a URL; the answer alone has its secret.

        Raises Unknown for a project that is gone, and Conflicting where there are too many.
        """
        secret = _new_secret()

        def job(db: sqlite3.Connection) -> Webhook:
            require_project(db, project)
            (count,) = db.execute(_COUNT, {"project": project}).fetchone()
            if count >= MOST:
                said = f"cannot make a webhook: the project has {MOST}, and may have no more; delete one"
                raise Conflicting(said, code="too_many_webhooks")
            id = self._new_id("wh")
            given = {
                "id": id,
                "project": project,
                "url": spec.url,
                "description": spec.description,
                "events": json.dumps(spec.events),
                "enabled": int(spec.enabled),
                "secret_id": keep_value(db, self._keyring, secret),
                "now": self._clock(),
                "why": _BY_OWNER,
            }
            db.execute(_INSERT, given)
            acts.about(project, id)
            want_again(db, id)
            return _told(db, project, id, secret=secret)

        return await self._db.write(job, Step.CHANGE_WEBHOOK)

    async def list(self, project: str) -> Sequence[Webhook]:
        """Return a project's webhooks, the oldest first."""
        return [_webhook(row) for row in await self._db.all(_ALL, {"project": project})]

    async def get(self, project: str, id: str) -> Webhook:
        """Return a webhook. Raises Unknown."""
        row = await self._db.one(_GET, {"project": project, "id": id})
        if row is None:
            raise _unknown(id)
        return _webhook(row)

    async def change(self, project: str, id: str, patch: WebhookPatch) -> Webhook:
        """Change what the patch says. One that is enabled goes on with what it has missed. Raises Unknown."""

        def job(db: sqlite3.Connection) -> Webhook:
            before = _told(db, project, id)
            given = {
                "id": id,
                "url": before.url if patch.url is None else patch.url,
                "description": before.description if patch.description is None else patch.description,
                "events": json.dumps(before.events if patch.events is None else patch.events),
            }
            db.execute(_CHANGE, given)
            if patch.enabled is not None:
                if patch.enabled:
                    db.execute(_ENABLE, {"id": id})
                else:
                    disable(db, id, self._clock(), _BY_OWNER)
            want_again(db, id)
            return _told(db, project, id)

        return await self._db.write(job, Step.CHANGE_WEBHOOK)

    async def rotate(self, project: str, id: str) -> Webhook:
        """Give a webhook another secret, which the answer has; the former signs for a day. Raises Unknown."""
        secret = _new_secret()

        def job(db: sqlite3.Connection) -> Webhook:
            _told(db, project, id)
            (_, former) = db.execute(_SECRETS, {"id": id}).fetchone()
            secret_id = keep_value(db, self._keyring, secret)
            until = self._clock() + FORMER_SECRET_US
            db.execute(_ROTATE, {"id": id, "secret_id": secret_id, "until": until})
            db.execute(_FORGET_VALUE, {"id": former})
            return _told(db, project, id, secret=secret)

        return await self._db.write(job, Step.CHANGE_WEBHOOK)

    async def delete(self, project: str, id: str) -> None:
        """Delete a webhook and its secrets; its deliveries are forgotten by and by. Raises Unknown."""

        def job(db: sqlite3.Connection) -> None:
            _told(db, project, id)
            now, values = self._clock(), db.execute(_SECRETS, {"id": id}).fetchone()
            disable(db, id, now, _BY_OWNER)
            db.execute(_DELETE, {"id": id, "now": now})
            db.executemany(_FORGET_VALUE, [{"id": value} for value in values])
            forget_deleted(db)

        await self._db.write(job, Step.CHANGE_WEBHOOK)


def disable(db: sqlite3.Connection, id: str, now: int, why: str) -> None:
    """Tell a webhook nothing more, within a transaction. What is pending waits."""
    db.execute(_DISABLE, {"id": id, "now": now, "why": why})
    db.execute(_UNWANT, {"id": id})


def forget_deleted(db: sqlite3.Connection) -> None:
    """Forget the deleted webhooks that have no deliveries left, within a transaction."""
    db.execute(_FORGET)


def want_again(db: sqlite3.Connection, id: str) -> None:
    """Bring what a webhook wants to be told to what its row says, within a transaction."""
    db.execute(_UNWANT, {"id": id})
    db.execute(_WANT, {"id": id})


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _told(db: sqlite3.Connection, project: str, id: str, *, secret: str | None = None) -> Webhook:
    """Return a webhook within a transaction. Raises Unknown."""
    row = db.execute(_GET, {"project": project, "id": id}).fetchone()
    if row is None:
        raise _unknown(id)
    return _webhook(row, secret=secret)


def _webhook(row: sqlite3.Row, *, secret: str | None = None) -> Webhook:
    return Webhook(
        id=row["id"],
        project=row["project"],
        url=row["url"],
        events=json.loads(row["events"]),
        description=row["description"],
        enabled=bool(row["enabled"]),
        created_at=instant(row["created_us"]),
        failing_since=instant_or_none(row["failing_us"]),
        disabled_at=instant_or_none(row["disabled_us"]),
        disabled_reason=row["disabled_why"],
        pending=row["pending"],
        secret=secret,
    )


def _unknown(id: str) -> Unknown:
    return Unknown(f"there is no webhook {id[:64]!r}; list them with GET /v1/webhooks")
