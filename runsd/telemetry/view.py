"""What attempts have told, as it goes out: metrics on the wire, problems as in a run's own file. Pure."""

import json
from collections.abc import Iterable

from runsd_sdk.run import NamedMetric

from runsd.clock import instant
from runsd.telemetry.exceptions import Problem
from runsd.telemetry.facts import Kind
from runsd.telemetry.series import Shown

ORIGIN = "opentelemetry"


def named(shown: Shown) -> NamedMetric:
    """Return a series on the wire."""
    amount = shown.amount
    histogram = shown.kind is Kind.HISTOGRAM
    return NamedMetric(
        name=shown.name,
        kind=shown.kind,
        unit=shown.unit or None,
        attributes=dict(shown.attributes),
        value=None if histogram else amount.value,
        count=amount.count if histogram else None,
        sum=amount.sum if histogram else None,
        min=amount.low,
        max=amount.high,
        time=instant(shown.time_ns // 1000),
    )


def problem_lines(problems: Iterable[tuple[str, Problem]]) -> bytes:
    """Return problems, each with its fingerprint, as lines of a run's ``problems.jsonl``.

    Each is told in full with its first time, and once more with its last time and how often it came again.
    """
    lines = []
    for fingerprint, problem in problems:
        same = {"fingerprint": fingerprint, "origin": ORIGIN}
        told = {"type": problem.type, "message": problem.message, "stacktrace": problem.stacktrace}
        lines.append({**same, **told, "time": problem.first_us / 1e6, "count": 1})
        if problem.count > 1:
            lines.append({**same, "time": problem.last_us / 1e6, "count": problem.count - 1})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
