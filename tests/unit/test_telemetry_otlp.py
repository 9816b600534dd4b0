"""OTLP's wire format: both encodings say the same, and what is no payload is refused as such."""

import gzip
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from runsd.telemetry.facts import Batch, Kind, Signal
from runsd.telemetry.otlp import BadPayload, Encoding, TooLarge, answer, decode, refusal, unpacked

TRACE_ID, SPAN_ID, PARENT_ID = "5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174", "eee19b7ec3c1b173"
RESOURCE = {"attributes": [{"key": "service.instance.id", "value": {"stringValue": "one"}}]}


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def traces(**span: Any) -> dict[str, Any]:
    span = {"traceId": TRACE_ID, "spanId": SPAN_ID, **span}
    return {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": [span]}]}]}


def metrics(**metric: Any) -> dict[str, Any]:
    scope = {"scope": {"name": "s"}, "metrics": [{"name": "m", **metric}]}
    return {"resourceMetrics": [{"resource": RESOURCE, "scopeMetrics": [scope]}]}


def logs(*attributes: dict[str, Any]) -> dict[str, Any]:
    record = {"timeUnixNano": "5000", "traceId": TRACE_ID, "spanId": SPAN_ID, "attributes": attributes}
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def read(signal: Signal, document: Any) -> Batch:
    return decode(signal, json.dumps(document).encode(), Encoding.JSON)


CALL = traces(
    parentSpanId=PARENT_ID,
    kind=3,
    attributes=[
        attribute("gen_ai.operation.name", stringValue="chat"),
        attribute("gen_ai.usage.input_tokens", intValue="11"),
        attribute("gen_ai.usage.completion_tokens", intValue=13),
    ],
    events=[
        {
            "name": "exception",
            "timeUnixNano": "7000",
            "attributes": [attribute("exception.type", stringValue="ValueError")],
        }
    ],
)


def test_a_call_in_json() -> None:
    (span,) = read(Signal.TRACES, CALL).spans
    assert span.process == "one"
    assert span.id.hex() == (TRACE_ID + SPAN_ID).lower()
    assert span.parent is not None
    assert span.parent.hex() == (TRACE_ID + PARENT_ID).lower()
    assert (span.operation, span.tokens_in, span.tokens_out) == ("chat", 11, 13)
    assert [(one.type, one.message, one.time_us) for one in span.raised] == [("ValueError", "", 7)]


def test_protobuf_says_the_same() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    request.resource_spans[0].resource.attributes.add(key="service.instance.id").value.string_value = "one"
    span.trace_id, span.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    span.parent_span_id, span.kind = bytes.fromhex(PARENT_ID), 3
    span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 11
    span.attributes.add(key="gen_ai.usage.completion_tokens").value.int_value = 13
    span.events.add(name="exception", time_unix_nano=7000).attributes.add(
        key="exception.type"
    ).value.string_value = "ValueError"
    protobuf = decode(Signal.TRACES, request.SerializeToString(), Encoding.PROTOBUF)
    assert protobuf == read(Signal.TRACES, CALL)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"gauge": {"dataPoints": [{"asDouble": 0.5}]}}, (Kind.GAUGE, 0.5, 0, 0)),
        (
            {"sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [{"asInt": "7"}]}},
            (Kind.SUM, 7, 0, 0),
        ),
        (
            {"histogram": {"aggregationTemporality": 2, "dataPoints": [{"count": "2", "sum": 8}]}},
            (Kind.HISTOGRAM, 0, 2, 8),
        ),
        (
            {"exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [{"count": 3, "sum": 9.5}]}},
            (Kind.HISTOGRAM, 0, 3, 9.5),
        ),
        ({"summary": {"dataPoints": [{"count": 4, "sum": 1}]}}, (Kind.HISTOGRAM, 0, 4, 1)),
    ],
)
def test_every_kind_of_metric(metric: dict[str, Any], expected: tuple[Any, ...]) -> None:
    (point,) = read(Signal.METRICS, metrics(**metric)).points
    assert (point.kind, point.value, point.count, point.sum) == expected
    assert (point.name, point.scope, point.process) == ("m", "s", "one")


@pytest.mark.parametrize(
    "metric",
    [
        {"sum": {"aggregationTemporality": 2, "dataPoints": [{"asDouble": "NaN"}]}},
        {"sum": {"dataPoints": [{"asInt": "7"}]}},  # of what, is not said
        {"histogram": {"aggregationTemporality": 2, "dataPoints": [{"count": 1, "sum": "Infinity"}]}},
    ],
)
def test_points_that_make_no_sense_are_counted_as_such(metric: dict[str, Any]) -> None:
    batch = read(Signal.METRICS, metrics(**metric))
    assert (list(batch.points), batch.unread) == ([], 1)


@pytest.mark.parametrize("metric", [{}, {"gauge": {"dataPoints": [{"flags": 1}]}}])
def test_metrics_without_a_value_say_nothing(metric: dict[str, Any]) -> None:
    assert read(Signal.METRICS, metrics(**metric)) == Batch(points=[])


def test_a_span_without_an_id_makes_no_sense() -> None:
    assert read(Signal.TRACES, traces(spanId="00" * 8)).unread == 1
    assert read(Signal.TRACES, traces(traceId="")).unread == 1


def test_exceptions_in_log_records() -> None:
    message = attribute("exception.message", stringValue="m" * 9999)
    (raised,) = read(Signal.LOGS, logs(attribute("exception.type", stringValue="E"), message)).raised
    assert (raised.type, raised.time_us, len(raised.message)) == ("E", 5, 4096)
    assert not read(Signal.LOGS, logs(attribute("other", stringValue="x"))).raised


def test_nested_attributes_are_written_as_json_and_cut() -> None:
    inner = {"kvlistValue": {"values": [attribute("a", boolValue=True)]}}
    nested = {"arrayValue": {"values": [{"intValue": 1}, inner]}}
    point = {"asInt": 1, "attributes": [attribute("x", **nested), attribute("y", doubleValue="NaN")]}
    (read_point,) = read(Signal.METRICS, metrics(gauge={"dataPoints": [point]})).points
    assert read_point.attributes == (("x", '[1, {"a": true}]'), ("y", "nan"))


def test_unknown_fields_are_passed_over() -> None:
    assert len(read(Signal.TRACES, {**CALL, "new": {"thing": [1]}}).spans) == 1


BAD_JSON: list[bytes] = [
    b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"resourceSpans": 7}', b'{"resourceSpans": [7]}',
    b'{"resourceSpans": {"a": 1}}', b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000,
    json.dumps(traces(spanId="not hex")).encode(),
    json.dumps(traces(startTimeUnixNano="-1")).encode(), json.dumps(traces(startTimeUnixNano=2**65)).encode(),
    json.dumps(traces(name="\ud800")).encode(), json.dumps(traces(attributes=[{"value": 3}])).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_JSON, ids=lambda body: repr(body[:40]))
def test_bad_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        decode(Signal.TRACES, body, Encoding.JSON)


def test_values_nested_too_deep_are_refused() -> None:
    deep: dict[str, Any] = {"intValue": 1}
    for _ in range(300):
        deep = {"arrayValue": {"values": [deep]}}
    with pytest.raises(BadPayload):
        read(Signal.TRACES, traces(attributes=[{"key": "k", "value": deep}]))
    request = ExportMetricsServiceRequest()
    value = request.resource_metrics.add().resource.attributes.add(key="k").value
    for _ in range(300):
        value = value.array_value.values.add()
    with pytest.raises(BadPayload):
        decode(Signal.METRICS, request.SerializeToString(), Encoding.PROTOBUF)


@given(st.sampled_from(Signal), st.binary(max_size=300), st.sampled_from(Encoding))
def test_garbage_is_read_or_refused(signal: Signal, body: bytes, encoding: Encoding) -> None:
    with suppress(BadPayload):
        assert isinstance(decode(signal, body, encoding), Batch)


GOOD = {
    Signal.TRACES: CALL,
    Signal.METRICS: metrics(sum={"aggregationTemporality": 2, "dataPoints": [{"asInt": "7"}]}),
    Signal.LOGS: logs(attribute("exception.type", stringValue="E")),
}
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(Signal), st.integers(0, 30), junk)
def test_a_good_document_with_junk_somewhere_is_read_or_refused(signal: Signal, at: int, junk: Any) -> None:
    document = json.loads(json.dumps(GOOD[signal]))
    places = list(_places(document))
    holder, key = places[at % len(places)]
    holder[key] = junk
    try:
        batch = read(signal, document)
    except BadPayload:
        return
    assert all(math.isfinite(point.value) for point in batch.points)


def _protobuf(signal: Signal) -> bytes:
    request = {Signal.TRACES: ExportTraceServiceRequest, Signal.METRICS: ExportMetricsServiceRequest}[
        signal
    ]()
    said = json_format.ParseDict(GOOD[signal], request, ignore_unknown_fields=True)
    return bytes(said.SerializeToString())


changes = st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4)


@given(st.sampled_from([Signal.TRACES, Signal.METRICS]), changes)
def test_a_good_payload_with_other_bytes_somewhere_is_read_or_refused(
    signal: Signal, changes: list[tuple[int, bytes]]
) -> None:
    body = bytearray(_protobuf(signal))
    for at, other in changes:
        body[at % len(body) : at % len(body) + len(other)] = other
    with suppress(BadPayload):
        batch = decode(signal, bytes(body), Encoding.PROTOBUF)
        assert all(math.isfinite(point.value) for point in batch.points)


def _places(node: Any) -> Any:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


# gzip


def test_what_is_packed_is_unpacked() -> None:
    assert unpacked(gzip.compress(b"abc"), 3) == b"abc"


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(bytes(50_000_000)), 4 * 1024**2)


PACKED = gzip.compress(b"abc")


@pytest.mark.parametrize("body", [b"", b"abc", PACKED[:-3], PACKED + b"x"], ids=["none", "no", "cut", "more"])
def test_what_is_not_one_whole_member_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        unpacked(body, 1000)


@given(changes)
def test_a_packed_body_with_other_bytes_somewhere_is_unpacked_within_the_bound_or_refused(
    changes: list[tuple[int, bytes]],
) -> None:
    body = bytearray(gzip.compress(b"abc" * 2000))
    for at, other in changes:
        body[at % len(body) : at % len(body) + len(other)] = other
    with suppress(BadPayload, TooLarge):
        assert len(unpacked(bytes(body), 1000)) <= 1000


# Answers


def test_a_full_success_has_no_partial_success() -> None:
    assert answer(Signal.TRACES, Encoding.PROTOBUF, 0, "") == b""
    assert answer(Signal.TRACES, Encoding.JSON, 0, "") == b"{}"


@pytest.mark.parametrize(
    ("signal", "response", "field", "camel"),
    [
        (Signal.TRACES, ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
        (Signal.METRICS, ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
        (Signal.LOGS, ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    ],
)
def test_a_partial_success_says_how_many_and_why(
    signal: Signal, response: Any, field: str, camel: str
) -> None:
    partial = response.FromString(answer(signal, Encoding.PROTOBUF, 300, "no room")).partial_success
    assert (getattr(partial, field), partial.error_message) == (300, "no room")
    document = json.loads(answer(signal, Encoding.JSON, 300, "no room"))
    assert document == {"partialSuccess": {camel: "300", "errorMessage": "no room"}}


def test_a_refusal_is_a_status() -> None:
    assert Status.FromString(refusal(Encoding.PROTOBUF, "né" * 100)).message == "né" * 100
    assert json.loads(refusal(Encoding.JSON, "no")) == {"message": "no"}
