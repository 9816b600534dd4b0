"""Metrics by name: points of many processes added up, cumulative or delta, and none of them twice. Pure.

A *writer* is one process telling one series from one start on: a process that begins again has another
``start_time_unix_nano``, and both count. Source: specification/metrics/data-model.md of
open-telemetry/opentelemetry-specification ("Resets and Gaps", "Single-Writer").
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from runsd.telemetry import conventions
from runsd.telemetry.amounts import NOTHING, Amount, amount
from runsd.telemetry.conventions import Told
from runsd.telemetry.facts import Attribute, Kind, Number, Point

MOST_NAMES = 200
MOST_SETS = 20
MOST_WRITERS = 8192
_RECENT = 16


@dataclass(slots=True)
class Writer:
    """What one process tells of one series; ``past`` came before ``last``, the newest cumulative amount."""

    point: Point
    past: Amount = NOTHING
    last: Amount = NOTHING
    time_ns: int = 0
    recent: list[tuple[int, int]] = field(default_factory=list)

    @property
    def total(self) -> Amount:
        """What it has come to."""
        return self.past + self.last

    def tell(self, point: Point) -> bool:
        """Take in a point; False when it tells nothing new."""
        if point.delta:
            return self._tell_delta(point)
        told, before = amount(point), self.last
        newer = point.time_ns >= self.time_ns
        if point.kind is Kind.GAUGE or not point.monotonic:
            if not newer:
                return False
            self.last = told
        elif told.size(point.kind) >= before.size(point.kind):
            self.last = told
        elif point.start_ns == 0 and point.time_ns > self.time_ns:
            # Without a start, less than before can only mean a new beginning.
            self.past, self.last = self.past + before, told
        else:
            return False
        self.time_ns = max(self.time_ns, point.time_ns)
        return self.last != before

    def _tell_delta(self, point: Point) -> bool:
        span = (point.start_ns, point.time_ns)
        if span in self.recent:
            return False  # sent again, because our answer was lost
        self.recent = [*self.recent[-_RECENT + 1 :], span]
        self.past += amount(point)
        self.time_ns = max(self.time_ns, point.time_ns)
        return True


WriterKey = tuple[str, str, str, Kind, tuple[Attribute, ...], bool, int]
_Group = tuple[str, str, str, Told]


@dataclass(frozen=True, slots=True)
class Shown:
    """A series by name and attributes, over all processes; ``time_ns`` is that of its newest point."""

    name: str
    unit: str
    kind: Kind
    attributes: tuple[Attribute, ...]
    amount: Amount
    time_ns: int


class Series:
    """The metrics of one attempt."""

    def __init__(self) -> None:
        self.writers: dict[WriterKey, Writer] = {}
        self.changed: set[WriterKey] = set()
        """Writers that have told something new since this was last emptied."""
        self._sets: dict[str, set[tuple[Attribute, ...]]] = {}

    def add(self, point: Point) -> bool:
        """Take in a point; False when there is no room for one more series or process."""
        key = _key(point)
        writer = self.writers.get(key)
        if writer is None:
            if len(self.writers) >= MOST_WRITERS or not self._has_room(point):
                return False
            writer = self.resume(Writer(point))
            self.changed.add(key)
        if writer.tell(point):
            self.changed.add(key)
        return True

    def resume(self, writer: Writer) -> Writer:
        """Go on from what a writer told before, and return it."""
        self._sets.setdefault(writer.point.name, set()).add(writer.point.attributes)
        self.writers[_key(writer.point)] = writer
        return writer

    def shown(self) -> Iterator[Shown]:
        """Walk all series, added up over processes; of gauges the newest."""
        found: dict[tuple[str, Kind, tuple[Attribute, ...]], Shown] = {}
        for writer in self.writers.values():
            point = writer.point
            key = (point.name, point.kind, point.attributes)
            one = Shown(point.name, point.unit, point.kind, point.attributes, writer.total, writer.time_ns)
            found[key] = one if key not in found else _together(found[key], one)
        return iter(sorted(found.values(), key=lambda one: (one.name, repr(one.attributes))))

    def genai(self) -> Mapping[str, Mapping[Told, int]]:
        """Return what the metrics of each process tell of GenAI calls.

        Where an instrumentation tells the same by the old and the new name, the greater is taken.
        """
        groups: dict[_Group, dict[bool, Number]] = defaultdict(lambda: {False: 0, True: 0})
        operations: dict[tuple[str, str, str], int] = defaultdict(int)
        for writer in self.writers.values():
            point, total = writer.point, writer.total
            if (found := conventions.told(point)) is None:
                continue
            what, family, new = found
            where = (point.process, point.scope, family)
            groups[*where, what][new] += total.count if what is Told.REQUESTS else total.sum + total.value
            if what is Told.TOKENS_IN:
                operations[where] += total.count
        for where, count in operations.items():
            # Without durations there are still the tokens, which each operation tells once.
            groups.setdefault((*where, Told.REQUESTS), {False: count})
        sums: dict[str, dict[Told, int]] = {}
        for (process, _, _, what), told in groups.items():
            of_process = sums.setdefault(process, dict.fromkeys(Told, 0))
            of_process[what] += round(max(told.values()))
        return sums

    def _has_room(self, point: Point) -> bool:
        if point.name in conventions.GENAI_METRICS:
            return True
        sets = self._sets.get(point.name)
        if sets is None:
            return len(self._sets) < MOST_NAMES
        return point.attributes in sets or len(sets) < MOST_SETS


def _key(point: Point) -> WriterKey:
    counts = point.kind is not Kind.GAUGE and not point.delta
    start = point.start_ns if counts else -1
    return point.process, point.scope, point.name, point.kind, point.attributes, point.delta, start


def _together(one: Shown, other: Shown) -> Shown:
    newer = max(one, other, key=lambda shown: shown.time_ns)
    return newer if one.kind is Kind.GAUGE else replace(newer, amount=one.amount + other.amount)
