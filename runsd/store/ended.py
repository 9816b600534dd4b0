"""What is stored of an attempt that is over: its outcome, its bill, its part in the run's usage."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from runsd import billing
from runsd.run import Outcome
from runsd.store.returned import Returned


@dataclass(frozen=True, slots=True)
class Ended:
    """All that is known of an attempt that is over. ``started_us`` None: it never ran, and costs nothing."""

    outcome: Outcome
    started_us: int | None = None
    finished_us: int | None = None
    cpu_us: int | None = None
    memory_peak_bytes: int | None = None
    usage_source: str | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    logs_truncated: bool = False
    returned: Returned | None = None


def billed_us(row: sqlite3.Row, ended: Ended) -> int:
    """Return the microseconds to pay for: none unless both instants are known."""
    if ended.started_us is None or ended.finished_us is None:
        return 0
    limit_us = int((row["timeout_s"] + row["grace_s"]) * 1_000_000)
    return billing.billed_us(ended.started_us, ended.finished_us, limit_us=limit_us)


def usage_lines(row: sqlite3.Row, started_us: int, billed_us: int) -> list[dict[str, Any]]:
    """Return the attempt's lines on the bill, ready to be bound."""
    return [
        {
            "id": row["id"],
            "attempt": row["attempt"],
            "day": line.day,
            "project": row["project"],
            "task": row["task"],
            "labels": row["labels"],
            "nano_vcpu_s": line.nano_vcpu_s,
        }
        for line in billing.lines(started_us, billed_us, cpu_milli=row["cpu_milli"])
    ]


def added_usage(before: dict[str, Any], row: sqlite3.Row, ended: Ended, billed_us: int) -> dict[str, Any]:
    """Add an attempt to the stored usage of its run: seconds add up, the peak is the highest."""
    usage = dict(before)
    if ended.started_us is not None and ended.finished_us is not None:
        item = {
            "attempt": row["attempt"],
            "started_us": ended.started_us,
            "finished_us": ended.finished_us,
            "billed_us": billed_us,
            "nano_vcpu_s": billed_us * row["cpu_milli"],
        }
        usage["attempts"] = [*before.get("attempts", []), item]
    if ended.usage_source is not None:
        usage["source"] = ended.usage_source
        usage["cpu_us"] = before.get("cpu_us", 0) + (ended.cpu_us or 0)
        usage["memory_peak_bytes"] = max(before.get("memory_peak_bytes", 0), ended.memory_peak_bytes or 0)
    return usage
