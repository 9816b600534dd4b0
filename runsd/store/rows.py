"""How stored rows read as the public models."""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final

from runsd_sdk.run import (
    AttemptUsage,
    BatchState,
    Event,
    Phase,
    Reason,
    Run,
    RunAttempt,
    RunImage,
    RunLogs,
    RunUsage,
    Status,
)
from runsd_sdk.spec import RunSpec

from runsd import billing
from runsd.clock import instant, instant_or_none

Row = sqlite3.Row | Mapping[str, Any]

_FRESH: Final = {
    "status": "pending",
    "phase": "queued",
    "attempt": 0,
    "usage": "{}",
    **dict.fromkeys(("reason", "message", "exit_code", "image_id", "image_digest", "source_commit")),
    **dict.fromkeys(("started_us", "finished_us", "deadline_us", "stop_us", "logs_deleted_us")),
    **dict.fromkeys(("oom_killed", "stdout_bytes", "stderr_bytes", "logs_truncated"), 0),
}
_BETWEEN: Final = " -_/:=#,"
_UNFINISHED: Final = re.compile(rf"[^{re.escape(_BETWEEN)}]*$")


def fresh_run(values: Mapping[str, Any], spec: RunSpec, price_usd: Decimal) -> Run:
    """Return the public run of a row that has just been inserted with these values, without reading it."""
    return run_of({**_FRESH, **values, "created_us": values["now"]}, price_usd, spec=spec)


def run_of(row: Row, price_usd: Decimal, *, spec: RunSpec | None = None) -> Run:
    """Return the public run of a row of ``runs``; ``spec`` saves reading the row's own."""
    spec = spec or RunSpec.model_validate_json(row["spec"])
    return Run(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        labels=json.loads(row["labels"]),
        status=Status(row["status"]),
        phase=phase_of(row["phase"], row["stop_us"]),
        reason=Reason(row["reason"]) if row["reason"] else None,
        message=row["message"],
        exit_code=row["exit_code"],
        oom_killed=bool(row["oom_killed"]),
        attempt=row["attempt"],
        created_at=instant(row["created_us"]),
        started_at=instant_or_none(row["started_us"]),
        finished_at=instant_or_none(row["finished_us"]),
        deadline_at=instant_or_none(row["deadline_us"]),
        spec=spec,
        image=RunImage(reference=spec.reference, id=row["image_id"], digest=row["image_digest"]),
        source_commit=row["source_commit"],
        usage=_unused(price_usd) if row["usage"] == "{}" else _usage_of(json.loads(row["usage"]), price_usd),
        logs=RunLogs(
            stdout_bytes=row["stdout_bytes"],
            stderr_bytes=row["stderr_bytes"],
            truncated=bool(row["logs_truncated"]) or row["logs_deleted_us"] is not None,
            deleted_at=instant_or_none(row["logs_deleted_us"]),
        ),
        trigger=row["trigger"],
        rerun_of=row["rerun_of"],
        task=row["task"],
        task_version=row["task_version"],
        scheduled_at=instant_or_none(row["scheduled_us"]),
        hostname=row["hostname"],
    )


def attempt_of(row: Row, price_usd: Decimal) -> RunAttempt:
    """Return the public attempt of a row of ``attempts``."""
    finished_us = row["ended_us"] if row["finished_us"] is None else row["finished_us"]
    return RunAttempt(
        attempt=row["number"],
        created_at=instant(row["created_us"]),
        started_at=instant_or_none(row["started_us"]),
        finished_at=instant_or_none(finished_us),
        reason=Reason(row["reason"]) if row["reason"] else None,
        message=row["message"],
        exit_code=row["exit_code"],
        oom_killed=bool(row["oom_killed"]),
        vcpu_seconds=billing.vcpu_seconds(row["nano_vcpu_s"]),
        cost_usd=billing.money(billing.cost_usd(row["nano_vcpu_s"], price_usd)),
    )


def phase_of(phase: str, stop_us: int | None) -> Phase:
    """Return the public phase of a run: one that has been asked to stop is stopping until it is over."""
    return Phase.STOPPING if stop_us is not None and phase != "finished" else Phase(phase)


def batch_of(rows: Sequence[Row], price_usd: Decimal) -> BatchState:
    """Return what a batch has come to, of rows that count its runs by status."""
    counts = dict.fromkeys(Status, 0) | {Status(row["status"]): row["runs"] for row in rows}
    over = all(status.terminal for status, runs in counts.items() if runs)
    nano = sum(row["nano_vcpu_s"] for row in rows)
    names = [row["first_name"] for row in rows] + [row["last_name"] for row in rows]
    return BatchState(
        id=min(row["first"] for row in rows),
        last_id=max(row["last"] for row in rows),
        created_at=instant(min(row["created_us"] for row in rows)),
        finished_at=instant(max(row["finished_us"] for row in rows)) if over else None,
        size=sum(counts.values()),
        over=sum(runs for status, runs in counts.items() if status.terminal),
        counts=counts,
        name=_beginning(min(names), max(names)),
        vcpu_seconds=billing.vcpu_seconds(nano),
        cost_usd=billing.money(billing.cost_usd(nano, price_usd)),
    )


def _beginning(first: str, last: str) -> str | None:
    """Return what all names from the first to the last in order begin with, no number or word cut off."""
    if first == last:
        return first or None
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    common = "".join(sign for sign, _ in same)
    whole = _UNFINISHED.sub("", common).rstrip(_BETWEEN)
    return whole or common.rstrip(f"0123456789{_BETWEEN}") or None


def event_of(row: sqlite3.Row) -> Event:
    """Return the public event of a row of ``events``."""
    return Event(
        id=row["id"],
        run_id=row["run_id"],
        project=row["project"],
        time=instant(row["at_us"]),
        type=row["type"],
        data=json.loads(row["data"]),
    )


@lru_cache(1)
def _unused(price_usd: Decimal) -> RunUsage:
    return _usage_of({}, price_usd)


def _usage_of(stored: dict[str, Any], price_usd: Decimal) -> RunUsage:
    attempts = [
        AttemptUsage(
            attempt=item["attempt"],
            started_at=instant(item["started_us"]),
            finished_at=instant(item["finished_us"]),
            duration_seconds=item["billed_us"] / 1e6,
            vcpu_seconds=billing.vcpu_seconds(item["nano_vcpu_s"]),
            cost_usd=billing.money(billing.cost_usd(item["nano_vcpu_s"], price_usd)),
        )
        for item in stored.get("attempts", [])
    ]
    nano = sum(item["nano_vcpu_s"] for item in stored.get("attempts", []))
    used = stored.get("cpu_us")
    return RunUsage(
        duration_seconds=sum(item["billed_us"] for item in stored.get("attempts", [])) / 1e6,
        vcpu_seconds=billing.vcpu_seconds(nano),
        cpu_seconds_used=None if used is None else used / 1e6,
        memory_peak_bytes=stored.get("memory_peak_bytes"),
        source=stored.get("source"),
        cost_usd=billing.money(billing.cost_usd(nano, price_usd)),
        attempts=attempts,
    )
