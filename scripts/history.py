"""A long history, made from a seed: a database as years of use would leave it, in seconds."""

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runsd_sdk.spec import RunSpec

from runsd import billing
from runsd.clock import micros
from runsd.store.database import open_database

SECOND = 1_000_000
DAY = 86_400 * SECOND
END = micros(datetime(2026, 1, 1, tzinfo=UTC))
QUEUED = 20
VOLUMES = ("vol_a", "vol_b", "vol_c")
_CHUNK = 20_000
# What runs end as, in thousandths.
_OUTCOMES = (
    (820, "succeeded", "exited", 0),
    (110, "failed", "exited", 1),
    (9, "failed", "oom_killed", 137),
    (1, "failed", "lost", None),
    (60, "cancelled", "cancelled", 143),
)
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _CROCKFORD for b in _CROCKFORD]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """So many runs, created evenly over so many days before END. The same seed makes the same runs."""

    runs: int
    seed: int = 1
    days: int = 365


async def make(path: Path, history: History) -> None:
    """Make a database of the present schema and fill it; the newest QUEUED runs are still in the queue."""
    await (await open_database(path)).close()
    await asyncio.to_thread(_fill, path, history)


def _fill(path: Path, history: History) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma synchronous = off")
        db.execute("pragma cache_size = -200000")
        db.execute("begin")
        made = "select name, sql from sqlite_schema where type = 'index' and sql is not null"
        indexes = db.execute(made).fetchall()
        for name, _ in indexes:
            db.execute(f"drop index {name}")
        _add(db, "volumes", [_volume(id) for id in VOLUMES])
        for rows in _chunks(history):
            for table, values in rows.items():
                _add(db, table, values)
        for _, sql in indexes:
            db.execute(sql)
        db.execute("commit")
        db.execute("pragma wal_checkpoint(truncate)")


def _add(db: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    if rows:
        names = rows[0].keys()
        sql = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' for _ in names)})"
        db.executemany(sql, [tuple(row.values()) for row in rows])


def _chunks(history: History) -> Iterator[dict[str, list[Row]]]:
    chance = random.Random(history.seed)
    for first in range(0, history.runs, _CHUNK):
        rows: dict[str, list[Row]] = {
            table: [] for table in ("runs", "run_labels", "run_volumes", "attempts", "usage_lines", "events")
        }
        for n in range(first, min(first + _CHUNK, history.runs)):
            _one(rows, chance, history, n)
        rows["run_labels"].sort(key=lambda row: (row["key"], row["value"], row["run_id"]))
        yield rows


def _one(rows: dict[str, list[Row]], chance: random.Random, history: History, n: int) -> None:
    created = END - history.days * DAY + n * history.days * DAY // history.runs
    labels = _labels(chance, n)
    run = _queued(chance, n, created, json.dumps(labels))
    rows["runs"].append(run)
    rows["run_labels"] += [
        {"project": run["project"], "run_id": run["id"], "key": k, "value": v} for k, v in labels.items()
    ]
    if n % 10 == 0:
        rows["run_volumes"].append({"run_id": run["id"], "volume_id": VOLUMES[n // 10 % 3]})
    rows["events"].append(_event(run, created, "run.submitted", "{}"))
    if n < history.runs - QUEUED:
        _finish(rows, run, chance, *_outcome(chance, n, history.runs))


def _queued(chance: random.Random, n: int, created: int, labels: str) -> Row:
    name = _name(chance, n)
    spec = _SPEC.replace('"a-name"', f'"{name}"' if name else "null").replace('{"the":"labels"}', labels)
    return {
        "id": f"run_{_ulid(created // 1000, chance)}", "project": "default", "name": name, "labels": labels,
        "spec": spec, "cpu_milli": 500 + 500 * (n * n % 8), "memory_bytes": 2**50, "gpus": 0, "priority": 0,
        "timeout_s": 3600, "grace_s": 10.0, "status": "pending", "phase": "queued", "attempt": 0,
        "created_us": created, "not_before_us": created, "expires_us": None, "admitted_us": None,
        "started_us": None, "deadline_us": None, "finished_us": None, "reason": None, "message": None,
        "exit_code": None, "oom_killed": 0, "usage": "{}", "stdout_bytes": 0, "trigger": "api",
        "task": f"task_{n % 7}" if n % 5 == 0 else None, "hostname": "host",
    }  # fmt: skip


def _finish(
    rows: dict[str, list[Row]], run: Row, chance: random.Random, status: str, reason: str, code: int | None
) -> None:
    attempts = 2 if status == "failed" and chance.random() < 0.4 else 1
    at, items = run["created_us"], []
    said = f'"status": "{status}", "reason": "{reason}", "exitCode": {json.dumps(code)}'
    for attempt in range(1, attempts + 1):
        started = at + 200_000 + int(chance.random() * 40 * SECOND)
        billed = 100_000 + int(chance.random() * 900 * SECOND)
        ended, nano = started + billed, billed * run["cpu_milli"]
        last = "run.finished" if attempt == attempts else "run.retrying"
        rows["events"] += [
            _event(run, at, "run.admitted", f'{{"attempt": {attempt}}}'),
            _event(run, started, "run.running", f'{{"attempt": {attempt}}}'),
            _event(run, ended, last, f'{{"attempt": {attempt}, {said}}}'),
        ]
        rows["attempts"].append({
            "run_id": run["id"], "number": attempt, "container_id": f"{run['id'][4:]:0<64}", "created_us": at,
            "started_us": started, "finished_us": ended, "ended_us": ended, "reason": reason,
            "message": f"exited with code {code}", "exit_code": code, "nano_vcpu_s": nano,
        })  # fmt: skip
        rows["usage_lines"] += _lines(run, attempt, started, billed)
        items.append(
            f'{{"attempt": {attempt}, "started_us": {started}, "finished_us": {ended},'
            f' "billed_us": {billed}, "nano_vcpu_s": {nano}}}'
        )
        at = ended + SECOND
    run |= {
        "status": status, "phase": "finished", "attempt": attempts, "admitted_us": run["created_us"],
        "started_us": started, "deadline_us": started + 3600 * SECOND, "finished_us": ended, "reason": reason,
        "memory_bytes": 2**30,
        "message": f"exited with code {code}", "exit_code": code, "oom_killed": int(reason == "oom_killed"),
        "stdout_bytes": started % 10_000, "usage": f'{{"attempts": [{", ".join(items)}]}}',
    }  # fmt: skip


def _name(chance: random.Random, n: int) -> str | None:
    """Three of ten runs are called ``nightly``, three have a name of their own, the others none."""
    turn = chance.random()
    return "nightly" if turn < 0.3 else f"train-{n}" if turn < 0.6 else None


def _labels(chance: random.Random, n: int) -> dict[str, str]:
    """``host``, ``team``, ``fold`` have few values, those of ``experiment`` are unique, ``kept`` is rare."""
    labels = {"host": "odd" if n % 2 else "even"}
    if (turn := chance.random()) < 0.9:
        labels["team"] = f"team-{int(turn * 11)}"
    if n % 2:
        labels["fold"] = str(n // 2 % 9)
    if n % 3 == 0:
        labels["experiment"] = f"exp-{n:07}"
    if n % 10_000 == 77:
        labels["kept"] = "yes"
    return labels


def _outcome(chance: random.Random, n: int, runs: int) -> tuple[str, str, int | None]:
    """Timeouts belong to one bad month, long ago; the other outcomes are spread evenly."""
    if n * 12 // runs == 2 and chance.random() < 0.5:
        return "timeout", "deadline_exceeded", 143
    turn = int(chance.random() * 1000)
    for share, status, reason, code in _OUTCOMES:
        if turn < share:
            return status, reason, code
        turn -= share
    raise AssertionError("the shares do not add up")


def _lines(run: Row, attempt: int, started: int, billed: int) -> list[Row]:
    return [
        {
            "run_id": run["id"], "attempt": attempt, "day": line.day, "project": "default",
            "task": run["task"], "labels": run["labels"], "nano_vcpu_s": line.nano_vcpu_s,
        }
        for line in billing.lines(started, billed, cpu_milli=run["cpu_milli"])
    ]  # fmt: skip


def _event(run: Row, at: int, type: str, data: str) -> Row:
    return {"run_id": run["id"], "project": "default", "at_us": at, "type": type, "data": data}


def _volume(id: str) -> Row:
    name = id.replace("_", "-")
    return {
        "id": id, "project": "default", "name": name, "labels": "{}", "docker_name": f"runsd-{name}",
        "created_us": END - 400 * DAY,
    }  # fmt: skip


def _ulid(ms: int, chance: random.Random) -> str:
    digits = chance.getrandbits(80)
    shifts = (70, 60, 50, 40, 30, 20, 10, 0)
    return "".join(
        [_PAIRS[ms >> shift & 1023] for shift in shifts[3:]]
        + [_PAIRS[digits >> shift & 1023] for shift in shifts]
    )


_SPEC = RunSpec(
    image="runsd/python:3",
    command=["python", "train.py", "--epochs", "10", "--data", "/cache/train.parquet"],
    env={"FOLD_ID": "3", "PYTHONUNBUFFERED": "1"},
    resources={"requests": {"cpu": "2", "memory": "4Gi"}},  # type: ignore[arg-type]
    name="a-name",
    labels={"the": "labels"},
).model_dump_json(by_alias=True)
