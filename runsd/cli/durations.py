"""Durations and sizes as people type them."""

import re
from datetime import timedelta

_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DOCKER_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([kmgt])(?:i?b)?", re.ASCII)


def seconds(text: str) -> float:
    """Return the seconds of ``90s``, ``15m``, ``2h``, ``1h30m`` or a plain number; raise ValueError."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write 90s, 15m, 2h or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def whole_seconds(text: str) -> int:
    """Return a duration that is a whole number of seconds; raise ValueError."""
    value = seconds(text)
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number of seconds")
    return int(value)


def extended(text: str, present_s: int) -> int:
    """Return the time limit that ``+1h`` (more) or ``3h`` (in all) makes of the present one, in seconds."""
    if text.startswith("+"):
        return present_s + whole_seconds(text[1:])
    return whole_seconds(text)


def quantity(size: str) -> str:
    """Return a size as a Kubernetes quantity: docker's ``512m`` and ``4g`` are binary, ``4Gi`` stays."""
    match = _DOCKER_SIZE.fullmatch(size)
    if match is None:
        return size
    unit = match[2].upper()
    return f"{match[1]}{unit}i"


def written(span: timedelta | float | None) -> str:
    """Write a span of time for a person: ``0.42s``, ``12.3s``, ``3m 20s``, ``2h 05m``, ``3d 4h``."""
    if span is None:
        return ""
    total = span.total_seconds() if isinstance(span, timedelta) else span
    if total < 10:
        return f"{max(total, 0):.2f}s"
    if total < 60:
        return f"{total:.1f}s"
    minutes, rest = divmod(round(total), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02}m"
    return f"{hours // 24}d {hours % 24}h"
