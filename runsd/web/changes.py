"""What differs between two specs, field by field. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs: what stood there before and what stands there now, as JSON; None for nothing."""

    field: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the fields that differ, by name; lists are told whole."""
    old, new = dict(_fields(before, ())), dict(_fields(after, ()))
    names = sorted(old.keys() | new.keys())
    return [Change(".".join(at), old.get(at), new.get(at)) for at in names if old.get(at) != new.get(at)]


def _fields(said: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in said.items():
        if isinstance(value, Mapping) and value:
            yield from _fields(value, (*at, key))
        else:
            yield (*at, key), json.dumps(value, ensure_ascii=False)
