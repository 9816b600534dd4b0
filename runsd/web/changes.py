"""What differs between two specs, field by field. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs: what stood there before and what stands there now, as JSON; None for nothing."""

    field: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the fields that differ, by name; lists are told whole."""
    return list(_differing(before, after, ()))


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, _NOTHING), after.get(key, _NOTHING)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differing(old, new, (*at, key))
        else:
            yield Change(".".join((*at, key)), _told(old), _told(new))


def _told(value: Any) -> str | None:
    return None if value is _NOTHING else json.dumps(value, ensure_ascii=False)
