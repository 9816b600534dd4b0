"""Exceptions that programs recorded, each counted once. Pure.

One that leaves several spans is recorded on each of them on its way out, with ever more of its stack; with
``OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=logs/dup`` in a log record as well. It is one.
Source: docs/exceptions/{exceptions-spans,exceptions-logs}.md of open-telemetry/semantic-conventions.
"""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass

from runsd.telemetry.facts import Raised, Signal, Span

MOST_DISTINCT = 100
_MOST_KNOWN = 8192
_MOST_LEAVING = 32
# Python's frames, and those of Java and JavaScript. To skip lines too would take a quadratic time.
_PLACE = re.compile(r'^[ \t]*(File ".*", line \d+, in .*|at .*)$', re.MULTILINE)
_OTHER = {Signal.TRACES: Signal.LOGS, Signal.LOGS: Signal.TRACES}


@dataclass(slots=True)
class Problem:
    """An exception that came ``count`` times; message and stack trace are those of the first time."""

    type: str
    message: str
    stacktrace: str
    count: int
    first_us: int
    last_us: int


class Exceptions:
    """The exceptions of one attempt: up to a hundred different ones, however often each came."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}
        self.changed: set[str] = set()
        """Those that came since this was last emptied."""
        self._known: OrderedDict[int, None] = OrderedDict()
        self._inside: OrderedDict[bytes, frozenset[int]] = OrderedDict()

    def resume(self, key: str, problem: Problem) -> None:
        """Go on from one that came before; the same of another attempt is added."""
        known = self.problems.setdefault(key, problem)
        if known is not problem:
            known.count += problem.count
            known.first_us = min(known.first_us, problem.first_us)
            known.last_us = max(known.last_us, problem.last_us)

    def of_span(self, span: Span) -> int:
        """Take in what was raised in a span, not in one within it; return how many there is no room for."""
        inside = self._inside.pop(span.id, frozenset())
        causes = [hash(raised.cause) for raised in span.raised]
        if span.parent is not None and causes:
            beside = self._inside.get(span.parent, frozenset())
            self._inside[span.parent] = beside.union(causes) if len(beside) < _MOST_LEAVING else beside
            if len(self._inside) > _MOST_KNOWN:
                self._inside.popitem(last=False)
        own = (raised for raised, cause in zip(span.raised, causes, strict=True) if cause not in inside)
        return sum(not self.add(raised) for raised in own)

    def add(self, raised: Raised) -> bool:
        """Take in an exception; False when there are too many different ones."""
        if not self._is_new(raised):
            return True
        key = _key(raised)
        found = self.problems.get(key)
        if found is None:
            if len(self.problems) >= MOST_DISTINCT:
                return False
            at = raised.time_us
            found = Problem(raised.type, raised.message, raised.stacktrace, 0, at, at)
            self.problems[key] = found
        found.count += 1
        found.first_us = min(found.first_us, raised.time_us)
        found.last_us = max(found.last_us, raised.time_us)
        self.changed.add(key)
        return True

    def _is_new(self, raised: Raised) -> bool:
        of_place = (raised.place, *raised.cause)
        here, now = hash((raised.signal, of_place)), hash((raised.signal, of_place, raised.time_us))
        by_other = bool(raised.place) and hash((_OTHER[raised.signal], of_place)) in self._known
        known = now in self._known or by_other
        for key in (here, now):
            self._known[key] = None
        while len(self._known) > 2 * _MOST_KNOWN:
            self._known.popitem(last=False)
        return not known


def _key(raised: Raised) -> str:
    """Return what exceptions have in common that were raised at one place, whatever their messages say."""
    places = _PLACE.findall(raised.stacktrace) or [raised.message]
    parts = (raised.type, *places)
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]
