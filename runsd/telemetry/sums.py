"""What one attempt has told: batches in; requests, tokens, metrics by name and problems out. Pure.

A program may tell of the same calls by spans and by metrics. Of each process the spans are believed, and the
metrics only where there are no spans of calls (its tokens also where no span tells any): spans come once for
each call and know what contains what, while metrics of a framework and of the client under it add up to twice
the truth. So a program that samples its spans is counted by those it sends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runsd.telemetry.calls import Calls, Counted
from runsd.telemetry.conventions import Told
from runsd.telemetry.exceptions import Exceptions, Problem
from runsd.telemetry.facts import Batch
from runsd.telemetry.series import Series, Shown

_NONE = dict.fromkeys(Told, 0)


@dataclass(frozen=True, slots=True)
class Totals:
    """How often models were called, and the tokens of all calls."""

    requests: int
    tokens_in: int
    tokens_out: int


@dataclass(slots=True)
class Account:
    """All that an attempt, or several, have told. ``more`` is set when there was no room for some of it.

    ``more_is_known`` to whoever keeps the account.
    """

    calls: Calls = field(default_factory=Calls)
    series: Series = field(default_factory=Series)
    exceptions: Exceptions = field(default_factory=Exceptions)
    more: bool = False
    more_is_known: bool = False

    def add(self, batch: Batch) -> int:
        """Take in a batch, and return how many of its spans, points and records there was no room for."""
        refused = sum(not self.series.add(point) for point in batch.points)
        refused += sum(not self.exceptions.add(raised) for raised in batch.raised)
        for span in batch.spans:
            if self.calls.knows(span):
                continue  # sent again, because our answer was lost
            refused += not self.calls.add(span)
            self.more |= self.exceptions.of_span(span) > 0
        self.more |= refused > 0
        return refused

    def totals(self) -> Totals | None:
        """Return requests and tokens; None when nothing was told of calls."""
        by_spans, by_metrics = self.calls.by_process, self.series.genai()
        processes = by_spans.keys() | by_metrics.keys()
        if not processes:
            return None
        chosen = [_chosen(by_spans.get(one), by_metrics.get(one, _NONE)) for one in processes]
        return Totals(
            sum(one.requests for one in chosen),
            sum(one.tokens_in for one in chosen),
            sum(one.tokens_out for one in chosen),
        )

    def shown(self) -> Iterator[Shown]:
        """Walk the metrics by name and attributes, over all processes."""
        return self.series.shown()

    def problems(self) -> Sequence[tuple[str, Problem]]:
        """Return the exceptions with their fingerprints, in the order of their first coming."""
        return sorted(self.exceptions.problems.items(), key=lambda item: item[1].first_us)


def _chosen(spans: Counted | None, metrics: Mapping[Told, int]) -> Totals:
    tokens_in, tokens_out = metrics[Told.TOKENS_IN], metrics[Told.TOKENS_OUT]
    if spans is None:
        return Totals(metrics[Told.REQUESTS], tokens_in, tokens_out)
    if spans.with_tokens:
        tokens_in, tokens_out = spans.tokens_in, spans.tokens_out
    return Totals(spans.requests, tokens_in, tokens_out)
