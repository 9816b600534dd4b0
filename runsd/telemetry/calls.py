"""Calls of models, counted by their spans: each once, however often it is sent. Pure.

A span that is sent again is known by its id. A call that contains calls (a framework's ``chat`` around the
client's own) tells of the same requests once more; the innermost is counted, in whatever order they come.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from runsd.telemetry.facts import Span

# Sixteen of the batches that SDKs send. A span that comes again after so many others would count again.
_MOST_KNOWN = 8192
_MOST_PROCESSES = 4096


@dataclass(slots=True)
class Counted:
    """What the spans of one process tell; ``with_tokens`` when any of them told tokens at all."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    with_tokens: bool = False


@dataclass(slots=True)
class _Known:
    parent: bytes | None
    span: Span | None
    contains: bool = False


class Calls:
    """The calls of one attempt. Holds no more than the last 8,192 spans."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._awaited: OrderedDict[bytes, None] = OrderedDict()
        self._counted: dict[str, Counted] = {}
        self.changed: set[str] = set()
        """Processes of which something has been counted since this was last emptied."""

    @property
    def by_process(self) -> Mapping[str, Counted]:
        """What has been counted of each process that calls models."""
        return self._counted

    def resume(self, process: str, counted: Counted) -> None:
        """Go on from what was counted before."""
        self._counted[process] = counted

    def knows(self, span: Span) -> bool:
        """Say whether it is one of those that came lately."""
        return span.id in self._known

    def add(self, span: Span) -> bool:
        """Count a span that has not come before; False when there is no room for its process."""
        calls = span.operation is not None
        if calls and span.process not in self._counted and len(self._counted) >= _MOST_PROCESSES:
            return False
        contains = span.id in self._awaited
        self._awaited.pop(span.id, None)
        known = _Known(span.parent, span if calls else None, contains)
        self._known[span.id] = known
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        if calls:
            tells = span.tokens_in is not None or span.tokens_out is not None
            self._of(span.process).with_tokens |= tells
        if calls and not known.contains:
            self._count(span, 1)
        if calls or known.contains:
            self._contained_by(span.parent)
        return True

    def _contained_by(self, parent: bytes | None) -> None:
        """Take back what is counted of all that contain a call; those that are still to come are awaited."""
        while parent is not None:
            above = self._known.get(parent)
            if above is None:
                self._awaited[parent] = None
                if len(self._awaited) > _MOST_KNOWN:
                    self._awaited.popitem(last=False)
                return
            if above.contains:
                return  # and so do all above it
            above.contains = True
            if above.span is not None:
                self._count(above.span, -1)
            parent = above.parent

    def _count(self, span: Span, times: int) -> None:
        counted = self._of(span.process)
        counted.requests += times
        counted.tokens_in += times * (span.tokens_in or 0)
        counted.tokens_out += times * (span.tokens_out or 0)

    def _of(self, process: str) -> Counted:
        self.changed.add(process)
        return self._counted.setdefault(process, Counted())
