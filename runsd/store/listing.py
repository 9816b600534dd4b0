"""Which runs a page of the list shows: a walk down one index, newest first, that always ends soon.

Every condition is a set of runs that some index keeps in the order of ids. A page walks the sparsest of them
and looks each run up in the others. Where none is small the walk may find little for long (of two labels that
never meet, nothing), so it ends after so many runs, and the page with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runsd_sdk.run import Status

from runsd.ids import earliest

MOST_EXAMINED = 5000
_AFTER_ALL_IDS = "~"
# An id is made after the instant of creation is taken; where the clock was set back, ids stay ahead of it.
_IDS_AHEAD_US = 86_400_000_000
# A command may be a whole program, or bring a megabyte of data: people know a run by how it begins.
_MOST_CHARACTERS = 4096


def _beginning(words: str) -> str:
    joined = f"(select group_concat(value, ' ') from json_each(r.spec, '$.{words}'))"
    return f"substr({joined}, 1, {_MOST_CHARACTERS})"


_TEXTS = (
    "r.id",
    "r.name",
    "r.spec ->> '$.image'",
    _beginning("command"),
    _beginning("args"),
    "r.spec ->> '$.python.entrypoint.file'",
    "r.spec ->> '$.python.entrypoint.module'",
    "r.spec ->> '$.python.entrypoint.function'",
)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list, newest first. ``cursor`` is the ``next_cursor`` of the page before.

    ``text`` is a part, whatever the case of ASCII letters, of what people know a run by: its name, id, image,
    entrypoint, or the first 4,096 characters of its command or of its arguments. ``among`` are the first and
    the last id of runs that stand together. A run whose id was more than a day ahead of the clock, for the
    clock was set back, is not found by ``created_before_us``.
    """

    project: str
    statuses: Sequence[Status] = ()
    labels: Sequence[tuple[str, str]] = ()
    name: str | None = None
    task: str | None = None
    text: str | None = None
    created_after_us: int | None = None
    created_before_us: int | None = None
    among: tuple[str, str] | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A statement and what is bound in it."""

    sql: str
    given: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Set:
    """The runs that meet a condition, as an index keeps them.

    ``conditions`` are of disjoint parts, each one range of the index; ``any`` says the same in one.
    """

    source: str
    id: str
    any: str
    conditions: Sequence[str]


def floors(wanted: RunFilter, examined: int) -> Query:
    """Return the query for how far down each set its next so many runs reach; null for all the way."""
    columns = [f"({_merged(_walks(one))} limit 1 offset :examined)" for one in _sets(wanted)]
    return Query(f"select {', '.join(columns)}", {**_given(wanted), "examined": examined - 1})


def page(wanted: RunFilter, floors: Sequence[str | None]) -> Query:
    """Return the query for a page and one run more, down the set whose next runs reach farthest."""
    sets = _sets(wanted)
    walked = sets.pop(min(range(len(sets)), key=lambda n: floors[n] or ""))
    tests = ["r.project = :project", *map(_has, sets)]
    if wanted.created_after_us is not None:
        tests.append("r.created_us > :created_after")
    if wanted.created_before_us is not None:
        tests.append("r.created_us < :created_before")
    if wanted.text is not None:
        tests.append(f"({' or '.join(f'{text} like :text escape :escape' for text in _TEXTS)})")
    # Joined by cross join, the walk stays the outer loop; a row is read only when its run is in every set.
    rows = [
        f"select w.at, r.* from ({walk}) w cross join runs r on r.id = w.at where {' and '.join(tests)}"
        for walk in _walks(walked)
    ]
    given = {**_given(wanted), "limit": wanted.limit + 1}
    given["oldest"] = max(given["oldest"], floor(floors) or "")
    return Query(f"{_merged(rows)} limit :limit", given)


def floor(floors: Sequence[str | None]) -> str | None:
    """Return down to which run a page examines, and from where the next one goes on; None for all the way."""
    return min(floor or "" for floor in floors) or None


def _sets(wanted: RunFilter) -> list[_Set]:
    sets = [_labelled(n) for n, _ in enumerate(_labels(wanted))]
    if wanted.name is not None:
        sets.append(_column("name", ["name = :name"]))
    if wanted.task is not None:
        sets.append(_column("task", ["task = :task"]))
    if wanted.statuses:
        sets.append(_column("status", [f"status = :status{n}" for n, _ in enumerate(_statuses(wanted))]))
    return sets or [_column("project", ["true"])]


def _labelled(n: int) -> _Set:
    condition = f"project = :project and key = :key{n} and value = :value{n}"
    return _Set("run_labels", "run_id", condition, [condition])


def _column(name: str, conditions: Sequence[str]) -> _Set:
    # The planner has no statistics: it would guess which index to use, and now and then wrongly.
    return _Set(
        f"runs indexed by runs_by_{name}",
        "id",
        f"project = :project and ({' or '.join(conditions)})",
        [f"project = :project and {condition}" for condition in conditions],
    )


def _walks(walked: _Set) -> list[str]:
    return [
        f"select {walked.id} as at from {walked.source}"
        f" where {condition} and {walked.id} < :cursor and {walked.id} >= :oldest"
        for condition in walked.conditions
    ]


def _has(tested: _Set) -> str:
    return f"exists (select 1 from {tested.source} where {tested.any} and {tested.id} = w.at)"


def _merged(selects: Sequence[str]) -> str:
    return f"{' union all '.join(selects)} order by at desc"


def _given(wanted: RunFilter) -> dict[str, Any]:
    oldest, end = _ends(wanted)
    given: dict[str, Any] = {
        "project": wanted.project,
        "name": wanted.name,
        "task": wanted.task,
        "text": None if wanted.text is None else "%" + re.sub("([%_!])", r"!\1", wanted.text) + "%",
        "escape": "!",
        "created_after": wanted.created_after_us,
        "created_before": wanted.created_before_us,
        "cursor": end,
        "oldest": oldest,
    }
    for n, (key, value) in enumerate(_labels(wanted)):
        given |= {f"key{n}": key, f"value{n}": value}
    return given | {f"status{n}": status.value for n, status in enumerate(_statuses(wanted))}


def _ends(wanted: RunFilter) -> tuple[str, str]:
    """Return the oldest id of a walk, and the one before which it begins."""
    oldest = [""]
    ends = [_AFTER_ALL_IDS if wanted.cursor is None else wanted.cursor]
    if wanted.created_after_us is not None:
        oldest.append(earliest("run", wanted.created_after_us))
    if wanted.created_before_us is not None:
        ends.append(earliest("run", wanted.created_before_us + _IDS_AHEAD_US))
    if wanted.among is not None:
        oldest.append(wanted.among[0])
        ends.append(wanted.among[1] + _AFTER_ALL_IDS)
    return max(oldest), min(ends)


def _labels(wanted: RunFilter) -> list[tuple[str, str]]:
    return list(dict.fromkeys(wanted.labels))


def _statuses(wanted: RunFilter) -> list[Status]:
    return list(dict.fromkeys(wanted.statuses))
