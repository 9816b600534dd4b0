"""OTLP's messages read: what is of use here, in our own words, and no text longer than it may be. Pure."""

import json
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, Final

from runsd.telemetry import conventions
from runsd.telemetry.facts import Attribute, Batch, Kind, Point, Raised, Signal, Span

_MOST_CHARACTERS = 255
_MOST_MESSAGE = 4096
_MOST_STACKTRACE = 32 * 1024
_MOST_ATTRIBUTES = 32
_TRACE_ID, _SPAN_ID = 16, 8
_NO_RECORDED_VALUE = 1  # DataPointFlags
_DELTA, _CUMULATIVE = 1, 2  # AggregationTemporality

Attributes = Mapping[str, str | bool | int | float]


def traces(request: Any) -> Batch:
    """Read an ExportTraceServiceRequest."""
    spans = [
        _span(span, process)
        for process, scopes in _by_process(request.resource_spans, "scope_spans")
        for scope in scopes
        for span in scope.spans
    ]
    read = [span for span in spans if span is not None]
    return Batch(spans=read, unread=len(spans) - len(read))


def metrics(request: Any) -> Batch:
    """Read an ExportMetricsServiceRequest."""
    points = [
        point
        for process, scopes in _by_process(request.resource_metrics, "scope_metrics")
        for scope in scopes
        for metric in scope.metrics
        for point in _points(metric, process, _short(scope.scope.name))
    ]
    read = [point for point in points if point is not None]
    return Batch(points=read, unread=len(points) - len(read))


def logs(request: Any) -> Batch:
    """Read the exceptions of an ExportLogsServiceRequest; what else is logged is the log's affair."""
    records = (
        record
        for _, scopes in _by_process(request.resource_logs, "scope_logs")
        for scope in scopes
        for record in scope.log_records
    )
    raised = (
        _raised(
            Signal.LOGS,
            record.trace_id + record.span_id,
            _attributes(record.attributes, conventions.OF_EXCEPTIONS),
            record.time_unix_nano or record.observed_time_unix_nano,
        )
        for record in records
    )
    return Batch(raised=[one for one in raised if one is not None])


def _by_process(resources: Iterable[Any], scopes: str) -> Iterator[tuple[str, Iterable[Any]]]:
    for one in resources:
        attributes = _attributes(one.resource.attributes)
        yield _process(attributes), getattr(one, scopes)


def _process(attributes: Attributes) -> str:
    for names in conventions.PROCESS:
        if names[-1] in attributes:
            return "/".join(str(attributes.get(name, "")) for name in names)
    return ""


def _span(span: Any, process: str) -> Span | None:
    if len(span.trace_id) != _TRACE_ID or len(span.span_id) != _SPAN_ID or not any(span.span_id):
        return None
    attributes = _attributes(span.attributes, conventions.OF_CALLS)
    place = span.trace_id + span.span_id
    raised = (
        _raised(
            Signal.TRACES,
            place,
            _attributes(event.attributes, conventions.OF_EXCEPTIONS),
            event.time_unix_nano,
        )
        for event in span.events
        if event.name == conventions.EXCEPTION_EVENT
    )
    return Span(
        process=process,
        id=place,
        parent=span.trace_id + span.parent_span_id if span.parent_span_id else None,
        operation=conventions.inference(attributes, span.kind),
        tokens_in=_tokens(attributes, conventions.TOKENS_IN),
        tokens_out=_tokens(attributes, conventions.TOKENS_OUT),
        raised=[one for one in raised if one is not None],
    )


def _tokens(attributes: Attributes, names: Iterable[str]) -> int | None:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
            return int(value)
    return None


def _raised(signal: Signal, place: bytes, attributes: Attributes, time_ns: int) -> Raised | None:
    if conventions.EXCEPTION_TYPE not in attributes and conventions.EXCEPTION_MESSAGE not in attributes:
        return None
    return Raised(
        signal=signal,
        place=place,
        type=str(attributes.get(conventions.EXCEPTION_TYPE, "")),
        message=str(attributes.get(conventions.EXCEPTION_MESSAGE, "")),
        stacktrace=str(attributes.get(conventions.EXCEPTION_STACKTRACE, "")),
        time_us=time_ns // 1000,
    )


def _points(metric: Any, process: str, scope: str) -> Iterator[Point | None]:
    form = metric.WhichOneof("data")
    if form is None:
        return
    data = getattr(metric, form)
    temporality = getattr(data, "aggregation_temporality", _CUMULATIVE)
    for point in data.data_points:
        if point.flags & _NO_RECORDED_VALUE:
            continue
        told = _FORMS[form](point)
        numbers = [number for number in told.values() if number is not None]
        if temporality not in (_DELTA, _CUMULATIVE) or not all(map(math.isfinite, numbers)):
            yield None
            continue
        yield Point(
            process=process,
            scope=scope,
            name=_short(metric.name),
            unit=_short(metric.unit),
            kind=_KINDS[form],
            attributes=_sorted(_attributes(point.attributes)),
            start_ns=point.start_time_unix_nano,
            time_ns=point.time_unix_nano,
            delta=temporality == _DELTA,
            monotonic=getattr(data, "is_monotonic", True),
            **told,
        )


def _number(point: Any) -> dict[str, Any]:
    return {"value": getattr(point, point.WhichOneof("value") or "as_int")}


def _histogram(point: Any) -> dict[str, Any]:
    return {
        "count": point.count,
        "sum": point.sum,
        "low": point.min if point.HasField("min") else None,
        "high": point.max if point.HasField("max") else None,
    }


def _summary(point: Any) -> dict[str, Any]:
    return {"count": point.count, "sum": point.sum}


_FORMS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _histogram,
    "summary": _summary,
}
_KINDS: Final = {
    "gauge": Kind.GAUGE,
    "sum": Kind.SUM,
    "histogram": Kind.HISTOGRAM,
    "exponential_histogram": Kind.HISTOGRAM,
    "summary": Kind.HISTOGRAM,
}
_LONGER: Final = {
    conventions.EXCEPTION_MESSAGE: _MOST_MESSAGE,
    conventions.EXCEPTION_STACKTRACE: _MOST_STACKTRACE,
}


def _attributes(pairs: Iterable[Any], among: Container[str] | None = None) -> Attributes:
    found = {}
    for pair in pairs:
        key = pair.key
        if among is not None and key not in among:
            continue
        value = _plain(pair.value)
        if isinstance(value, str):
            value = value[: _LONGER.get(key, _MOST_CHARACTERS)]
        if value is not None:
            found[_short(key)] = value
    return found


def _sorted(attributes: Attributes) -> tuple[Attribute, ...]:
    return tuple(sorted(attributes.items(), key=lambda pair: pair[0])[:_MOST_ATTRIBUTES])


def _plain(value: Any) -> str | bool | int | float | None:
    form = value.WhichOneof("value")
    if form in ("string_value", "bool_value", "int_value", "double_value"):
        plain: str | bool | int | float = getattr(value, form)
        return plain if isinstance(plain, str) or math.isfinite(plain) else str(plain)
    return None if form is None else json.dumps(_nested(value), ensure_ascii=False)


def _nested(value: Any) -> Any:
    match form := value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_nested(one) for one in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _nested(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value.hex()
        case _:
            return getattr(value, form)


def _short(text: str) -> str:
    return text[:_MOST_CHARACTERS]
