"""``--over KEY=…``: the values that a map runs over."""

import re
from dataclasses import dataclass

MOST = 10_000
_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Over:
    """An environment variable and its values, one for each run."""

    key: str
    values: tuple[str, ...]


def parse(text: str) -> Over:
    """Read ``KEY=a,b,c`` or ``KEY=0..8`` (both ends included); raise ValueError."""
    key, equals, values = text.partition("=")
    if not key or not equals or not values:
        raise ValueError(f"{text!r} is not KEY=a,b,c or KEY=0..8")
    match = _RANGE.fullmatch(values)
    found = _range(match[1], match[2]) if match else tuple(values.split(","))
    if "" in found:
        raise ValueError(f"{text!r} has an empty value; write KEY=a,b,c")
    return Over(key, found)


def _range(first: str, last: str) -> tuple[str, ...]:
    start, end = int(first), int(last)
    step = 1 if start <= end else -1
    count = abs(end - start) + 1
    if count > MOST:
        raise ValueError(f"{first}..{last} has {count} values; at most {MOST} runs are made at once")
    # 00..15 means that the zeros matter, as in file names.
    width = len(first) if first.startswith("0") and len(first) == len(last) else 0
    return tuple(f"{n:0{width}d}" for n in range(start, end + step, step))
