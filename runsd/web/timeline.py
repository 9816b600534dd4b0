"""Where a run's time went: its events as spans of phases, and these as a bar. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runsd_sdk.run import Event, Phase

WIDTH: Final = 1000.0
_LEAST_WIDTH: Final = 5.0
# What is not here moves no run: how far a pull is, another deadline, other labels.
_ENTERS: Final = {
    "run.submitted": Phase.QUEUED,
    "run.admitted": Phase.STARTING,
    "run.pulling": Phase.PULLING,
    "run.preparing": Phase.PREPARING,
    "run.image_ready": Phase.STARTING,
    "run.running": Phase.RUNNING,
    "run.stopping": Phase.STOPPING,
    "run.retrying": Phase.QUEUED,
    "run.finished": Phase.FINISHED,
}


@dataclass(frozen=True, slots=True)
class Span:
    """A time in one phase; one that goes on ends now. ``attempt`` is 0 before the first."""

    phase: Phase
    attempt: int
    began: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(0.0, (self.ended - self.began).total_seconds())


@dataclass(frozen=True, slots=True)
class Spent:
    """The time in one phase, over all attempts; ``share`` is its part of the whole, 0 to 1."""

    phase: Phase
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A span's place in a bar that is WIDTH wide."""

    span: Span
    at: float
    width: float


def timeline(events: Iterable[Event], now: datetime) -> list[Span]:
    """Return the spans of a run in their order; none if its first events are no longer kept."""
    spans: list[Span] = []
    open_: tuple[Phase, int, datetime] | None = None
    for event in events:
        phase = _ENTERS.get(event.type)
        if phase is None or (open_ is None and event.type != "run.submitted"):
            continue
        attempt = int(event.data.get("attempt", 0)) or (open_[1] if open_ else 0)
        if open_ is not None and (phase is not open_[0]):
            spans.append(Span(*open_, event.time))
        if open_ is None or phase is not open_[0]:
            open_ = (phase, attempt, event.time)
    if open_ is not None and open_[0] is not Phase.FINISHED:
        spans.append(Span(*open_, max(now, open_[2])))
    return spans


def spent(spans: Sequence[Span]) -> list[Spent]:
    """Add up the spans of each phase, in the order in which a run goes through them."""
    total = sum(span.seconds for span in spans)
    of_phase = {phase: [span.seconds for span in spans if span.phase is phase] for phase in Phase}
    return [
        Spent(phase, sum(each), sum(each) / total if total else 0.0)
        for phase, each in of_phase.items()
        if each
    ]


def bar(spans: Sequence[Span]) -> list[Piece]:
    """Lay spans side by side, wide as they are long, but none so narrow that nobody sees it."""
    total = sum(span.seconds for span in spans)
    wished = [max(_LEAST_WIDTH, WIDTH * span.seconds / total if total else 0.0) for span in spans]
    scale = WIDTH / sum(wished) if wished else 0.0
    pieces, at = [], 0.0
    for span, width in zip(spans, wished, strict=True):
        pieces.append(Piece(span, round(at, 2), round(width * scale, 2)))
        at += width * scale
    return pieces
