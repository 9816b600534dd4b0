"""What programs tell, in few words: calls of models, points of metrics, exceptions."""

from typing import Any

from runsd.telemetry.facts import Batch, Kind, Point, Raised, Signal, Span
from runsd.telemetry.sums import Account, Totals

TRACE = bytes(15) + b"\x01"
TOKENS = "gen_ai.client.token.usage"
DURATION = "gen_ai.client.operation.duration"


def place(number: int) -> bytes:
    return TRACE + number.to_bytes(8, "big")


def span(
    number: int,
    within: int | None = None,
    *,
    operation: str | None = None,
    tokens: tuple[int | None, int | None] = (None, None),
    process: str = "p",
    raised: tuple[Raised, ...] = (),
) -> Span:
    parent = None if within is None else place(within)
    return Span(process, place(number), parent, operation, *tokens, raised)


def call(number: int, within: int | None = None, tokens: Any = (10, 5), process: str = "p") -> Span:
    return span(number, within, operation="chat", tokens=tokens, process=process)


def histogram(name: str, count: int, total: float, *, start: int = 1, time: int = 2, **other: Any) -> Point:
    attributes = tuple(sorted(other.pop("attributes", {}).items()))
    process = other.pop("process", "p")
    told = {"count": count, "sum": total, "low": 1, "high": total, **other}
    return Point(process, "s", name, "1", Kind.HISTOGRAM, attributes, start, time, **told)


def sums(name: str, value: float, *, start: int = 1, time: int = 2, **other: Any) -> Point:
    attributes = tuple(sorted(other.pop("attributes", {}).items()))
    return Point(
        other.pop("process", "p"), "s", name, "", Kind.SUM, attributes, start, time, value=value, **other
    )


def gauge(name: str, value: float, *, time: int, process: str = "p") -> Point:
    return Point(process, "s", name, "", Kind.GAUGE, (), 0, time, value=value)


def calls_by_metrics(count: int, tokens_in: int, tokens_out: int, **other: Any) -> list[Point]:
    """The two histograms of GenAI clients, after so many calls."""
    chat = {"gen_ai.operation.name": "chat"}
    types = {kind: {**chat, "gen_ai.token.type": kind} for kind in ("input", "output")}
    return [
        histogram(DURATION, count, 0.5 * count, attributes=chat, **other),
        histogram(TOKENS, count, tokens_in, attributes=types["input"], **other),
        histogram(TOKENS, count, tokens_out, attributes=types["output"], **other),
    ]


def error(
    message: str = "no", *, at: int = 0, signal: Signal = Signal.TRACES, time_us: int = 1, stack: str = ""
) -> Raised:
    return Raised(signal, place(at) if at else b"", "ValueError", message, stack, time_us)


def account(*told: Span | Point | Raised) -> Account:
    """An account that was told all this, one thing after another."""
    made = Account()
    for one in told:
        made.add(batch(one))
    return made


def batch(*told: Span | Point | Raised) -> Batch:
    return Batch(
        spans=[one for one in told if isinstance(one, Span)],
        points=[one for one in told if isinstance(one, Point)],
        raised=[one for one in told if isinstance(one, Raised)],
    )


def totals(*told: Span | Point) -> Totals | None:
    return account(*told).totals()
