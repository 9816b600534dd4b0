"""A JSON value as a tree that a page can bear, however deep and wide it is. Pure."""

import json
import re
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from pydantic import JsonValue

MOST_NODES: Final = 2000
MOST_WIDE: Final = 200
MOST_DEEP: Final = 20
MOST_CHARS: Final = 2000
# Controls that JSON leaves as they are, and those that turn the direction of the text around them.
_INVISIBLE: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(slots=True)
class Node:
    """A value and its key or place in what it is a part of. ``hidden`` of its parts are left out."""

    key: str | None
    kind: str
    text: str
    parts: list["Node"] = field(default_factory=list)
    hidden: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is left out in it or below it."""
        return not self.hidden and all(part.whole for part in self.parts)


def tree(value: JsonValue) -> Node:
    """Return a value as a tree; what is near the root is shown before what is deep."""
    root = _node(None, value)
    waiting: deque[tuple[Node, JsonValue, int]] = deque([(root, value, 0)])
    room = MOST_NODES
    while waiting:
        node, whole, deep = waiting.popleft()
        count = len(whole) if isinstance(whole, dict | list) else 0
        shown = 0 if deep >= MOST_DEEP else min(count, MOST_WIDE, room)
        room -= shown
        node.hidden += count - shown
        for key, part in islice(_parts(whole), shown):
            child = _node(key, part)
            node.parts.append(child)
            if isinstance(part, dict | list):
                waiting.append((child, part, deep + 1))
    return root


def _parts(value: JsonValue) -> list[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        return list(value.items())
    return [(str(at), part) for at, part in enumerate(value)] if isinstance(value, list) else []


def _node(key: str | None, value: JsonValue) -> Node:
    key = None if key is None else _cut(key)[0]
    match value:
        case dict():
            return Node(key, "object", _counted(len(value), "entry", "entries"))
        case list():
            return Node(key, "list", _counted(len(value), "item", "items"))
        case str():
            text, left = _cut(value)
            return Node(
                key, "text", _INVISIBLE.sub(_spelt, json.dumps(text, ensure_ascii=False)), hidden=left
            )
        case None | bool():
            return Node(key, "word", json.dumps(value))
        case _:
            text, left = _cut(json.dumps(value))
            return Node(key, "number", text, hidden=left)


def _spelt(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _cut(text: str) -> tuple[str, int]:
    return text[:MOST_CHARS], max(0, len(text) - MOST_CHARS)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
