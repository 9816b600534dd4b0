"""What a payload says, in our own words: spans, points of metrics, exceptions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

Number = int | float
Attribute = tuple[str, str | bool | int | float]


class Signal(StrEnum):
    """The three kinds of payload, each with a path of its own."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class Kind(StrEnum):
    """What a metric is to whoever shows it."""

    GAUGE = "gauge"
    SUM = "sum"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that was recorded, at a ``place``: trace id and span id in one, empty where unknown."""

    signal: Signal
    place: bytes
    type: str
    message: str
    stacktrace: str
    time_us: int

    @property
    def cause(self) -> tuple[str, str]:
        """What it shares with the same exception recorded on its way out, in whose stack are more frames."""
        return self.type, self.message


@dataclass(frozen=True, slots=True)
class Span:
    """An operation of one process. ``id`` and ``parent`` are trace id and span id in one.

    ``operation`` is set where a client calls a model; tokens are None where they are not told.
    """

    process: str
    id: bytes
    parent: bytes | None
    operation: str | None
    tokens_in: int | None
    tokens_out: int | None
    raised: Sequence[Raised] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One data point of a metric. Instants are nanoseconds since the epoch; 0 where unknown.

    ``value`` is a gauge's or a sum's; ``count``, ``sum``, ``low`` and ``high`` are a histogram's. A point
    that is not ``delta`` tells everything since ``start_ns``.
    """

    process: str
    scope: str
    name: str
    unit: str
    kind: Kind
    attributes: tuple[Attribute, ...]
    start_ns: int
    time_ns: int
    delta: bool = False
    monotonic: bool = True
    value: Number = 0
    count: int = 0
    sum: Number = 0
    low: Number | None = None
    high: Number | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one payload says; ``unread`` counts what no sense can be made of."""

    spans: Sequence[Span] = ()
    points: Sequence[Point] = ()
    raised: Sequence[Raised] = ()
    unread: int = 0

    def pieces(self, most: int) -> Iterator["Batch"]:
        """Walk it in batches of a few things each."""
        for at in range(0, len(self.spans), most):
            yield Batch(spans=self.spans[at : at + most])
        for at in range(0, len(self.points), most):
            yield Batch(points=self.points[at : at + most])
        for at in range(0, len(self.raised), most):
            yield Batch(raised=self.raised[at : at + most])
