"""What a webhook is told: the body of a message, made of the event and of the run as it was then."""

import json
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from runsd_sdk.python import Entrypoint, PythonSpec
from runsd_sdk.spec import RunSpec
from runsd_sdk.webhook import WebhookData, WebhookEvent, WebhookRun

from runsd.clock import instant
from runsd.store.rows import run_of


def payload(row: sqlite3.Row, price_usd: Decimal) -> dict[str, Any]:
    """Return the body of the message in a row that has a message's columns."""
    run = row["run"]
    return WebhookEvent(
        type=row["type"],
        timestamp=instant(row["at_us"]),
        data=WebhookData(
            project=row["project"],
            event_id=row["event_id"],
            run=None if run is None else _run(_Snapshot(json.loads(run)), price_usd),
            details=json.loads(row["data"]),
        ),
    ).wire()


def body_of(row: sqlite3.Row, price_usd: Decimal) -> bytes:
    """Return that body as it is sent."""
    return json.dumps(payload(row, price_usd), separators=(",", ":"), ensure_ascii=False).encode()


class _Snapshot(dict[str, Any]):
    """A row of ``runs`` as an older runsd may have kept it: it has nothing in columns of a later one."""

    def __missing__(self, column: str) -> None:
        return None


def _run(snapshot: Mapping[str, Any], price_usd: Decimal) -> WebhookRun:
    image, version = snapshot["image"], snapshot["python"]
    # Of the spec no more is kept than what says which image it is.
    python = PythonSpec.model_construct(version=version, entrypoint=Entrypoint.model_construct())
    spec = RunSpec.model_construct(image=image, python=python)
    run = run_of(snapshot, price_usd, spec=spec)
    return WebhookRun(**{name: getattr(run, name) for name in WebhookRun.model_fields})
