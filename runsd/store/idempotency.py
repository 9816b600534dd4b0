"""Idempotency keys: what a request has made, for whoever sends it again within a day."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runsd.errors import Conflicting

KEY_LIFETIME_US = 24 * 3600 * 1_000_000
_FIND = """
select fingerprint, run_ids from idempotency_keys
where project = :project and key = :key and created_us > :oldest
"""
_KEEP = """
insert or replace into idempotency_keys (project, key, fingerprint, run_ids, created_us)
values (:project, :key, :fingerprint, :ids, :now)
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A client's name for one request. The same name with another ``fingerprint`` is refused."""

    text: str
    fingerprint: str


def replayed(db: sqlite3.Connection, project: str, key: Key, now: int) -> list[str] | None:
    """Return the ids of what an earlier request with this key has made, or None for a new one.

    Raises Conflicting when that was another request.
    """
    for row in db.execute(_FIND, {**_given(project, key), "oldest": now - KEY_LIFETIME_US}).fetchall():
        if row["fingerprint"] != key.fingerprint:
            raise Conflicting(
                "cannot accept this request: its Idempotency-Key was used within 24 h with another body;"
                " send a fresh key",
                code="idempotency_conflict",
            )
        ids: list[str] = json.loads(row["run_ids"])
        return ids
    return None


def keep(db: sqlite3.Connection, project: str, key: Key, ids: Sequence[str], now: int) -> None:
    """Keep what a request has made inside the transaction that makes it."""
    db.execute(_KEEP, {**_given(project, key), "ids": json.dumps(list(ids)), "now": now})


def _given(project: str, key: Key) -> dict[str, Any]:
    return {"project": project, "key": key.text, "fingerprint": key.fingerprint}
