"""Accounts as rows: what has changed of one, and one made again of all its rows. Pure."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from runsd.telemetry.amounts import Amount
from runsd.telemetry.calls import Counted
from runsd.telemetry.exceptions import Problem
from runsd.telemetry.facts import Kind, Point
from runsd.telemetry.series import Writer
from runsd.telemetry.sums import Account


class RowKind(StrEnum):
    """What a row holds; the values stand in the schema."""

    CALLS = "calls"
    SERIES = "series"
    PROBLEM = "problem"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class Row:
    """One value of an account, as it is stored."""

    kind: RowKind
    key: str
    value: str


def changes(account: Account, *, most: int) -> list[Row]:
    """Return some of what has changed and was not returned before; nothing when that is all."""
    return list(islice(_changes(account), most))


def take_in(account: Account, row: Row, *, apart: str = "") -> None:
    """Go on from a row. ``apart`` keeps processes of the same name apart that lived in different attempts."""
    value: dict[str, Any] = json.loads(row.value)
    match row.kind:
        case RowKind.CALLS:
            account.calls.resume(apart + row.key, Counted(**value))
        case RowKind.SERIES:
            writer = _writer(value)
            writer.point = replace(writer.point, process=apart + writer.point.process)
            account.series.resume(writer)
        case RowKind.PROBLEM:
            account.exceptions.resume(row.key, Problem(**value))
        case RowKind.MORE:
            account.more = account.more_is_known = True


def _changes(account: Account) -> Iterator[Row]:
    calls, series, exceptions = account.calls, account.series, account.exceptions
    while calls.changed:
        process = calls.changed.pop()
        yield Row(RowKind.CALLS, process, json.dumps(asdict(calls.by_process[process])))
    while series.changed:
        key = series.changed.pop()
        yield Row(RowKind.SERIES, _digest(key), json.dumps(_written(series.writers[key])))
    while exceptions.changed:
        name = exceptions.changed.pop()
        yield Row(RowKind.PROBLEM, name, json.dumps(asdict(exceptions.problems[name])))
    if account.more and not account.more_is_known:
        account.more_is_known = True
        yield Row(RowKind.MORE, "", "{}")


def _digest(key: object) -> str:
    return hashlib.sha256(repr(key).encode(errors="replace")).hexdigest()[:32]


def _written(writer: Writer) -> dict[str, Any]:
    point = writer.point
    return {
        "process": point.process,
        "scope": point.scope,
        "name": point.name,
        "unit": point.unit,
        "kind": point.kind,
        "attributes": point.attributes,
        "start_ns": point.start_ns,
        "delta": point.delta,
        "monotonic": point.monotonic,
        "past": asdict(writer.past),
        "last": asdict(writer.last),
        "time_ns": writer.time_ns,
        "recent": writer.recent,
    }


def _writer(value: dict[str, Any]) -> Writer:
    point = Point(
        process=value["process"],
        scope=value["scope"],
        name=value["name"],
        unit=value["unit"],
        kind=Kind(value["kind"]),
        attributes=tuple((key, plain) for key, plain in value["attributes"]),
        start_ns=value["start_ns"],
        time_ns=0,
        delta=value["delta"],
        monotonic=value["monotonic"],
    )
    return Writer(
        point,
        past=Amount(**value["past"]),
        last=Amount(**value["last"]),
        time_ns=value["time_ns"],
        recent=[(start, end) for start, end in value["recent"]],
    )
