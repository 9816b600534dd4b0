"""The receiver: who may send what, how much of it, and what it answers; a bad payload hurts nobody."""

import asyncio
import gzip
import json
import socket

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from runsd.telemetry import listener, receiver
from runsd.telemetry.series import MOST_NAMES
from runsd.telemetry.sums import Totals
from tests.telemetry.station import JSON, PROTOBUF, RUN, Station

MIB = 1024**2


def call(*numbers: int) -> bytes:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in numbers:
        span = spans.add(trace_id=bytes(15) + b"\x01", span_id=number.to_bytes(8, "big"), kind=3)
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 10
        span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 5
    return request.SerializeToString()


def gauges(count: int) -> bytes:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for number in range(count):
        metrics.add(name=f"m{number}").gauge.data_points.add(as_int=number, time_unix_nano=1)
    return request.SerializeToString()


async def test_a_good_payload_is_taken(station: Station) -> None:
    status, headers, body = await station.send("traces", call(1, 2))
    assert (status, headers["Content-Type"], body) == (200, PROTOBUF, b"")
    assert await station.totals() == Totals(2, 20, 10)


async def test_an_empty_payload_is_a_success(station: Station) -> None:
    assert (await station.send("traces", b""))[0] == 200
    status, headers, body = await station.send("logs", b"{}", JSON + "; charset=utf-8")
    assert (status, headers["Content-Type"], body) == (200, JSON, b"{}")


async def test_what_is_packed_is_taken(station: Station) -> None:
    packed = {"Content-Encoding": "gzip"}
    assert (await station.send("traces", gzip.compress(call(1)), **packed))[0] == 200
    assert await station.totals() == Totals(1, 10, 5)


async def test_a_large_payload_is_taken(station: Station) -> None:
    assert (await station.send("traces", call(*range(1, 20_001))))[0] == 200
    assert await station.totals() == Totals(20_000, 200_000, 100_000)


@pytest.mark.parametrize(
    ("body", "kind"), [(b"\xff\xff garbage", PROTOBUF), (b"{", JSON)], ids=["protobuf", "json"]
)
async def test_a_bad_payload_is_refused_for_good_and_hurts_nobody(
    station: Station, body: bytes, kind: str
) -> None:
    status, headers, said = await station.send("traces", body, kind)
    assert (status, headers["Content-Type"]) == (400, kind)
    message = Status.FromString(said).message if kind == PROTOBUF else json.loads(said)["message"]
    assert message.startswith("cannot read the body")
    assert (await station.send("traces", call(1)))[0] == 200


async def test_what_there_is_no_room_for_is_counted_in_the_answer(station: Station) -> None:
    status, _, body = await station.send("metrics", gauges(MOST_NAMES + 7))
    partial = ExportMetricsServiceResponse.FromString(body).partial_success
    assert (status, partial.rejected_data_points) == (200, 7)
    assert partial.error_message.startswith("there is no room")


async def test_what_makes_no_sense_is_counted_in_the_answer(station: Station) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="nobody")
    body = (await station.send("traces", request.SerializeToString()))[2]
    partial = ExportTraceServiceResponse.FromString(body).partial_success
    assert (partial.rejected_spans, "no id" in partial.error_message) == (1, True)


async def test_only_live_attempts_are_heard(station: Station) -> None:
    assert (await station.send("traces", call(1), Authorization="Bearer nonsense"))[0] == 401
    assert (await station.send("traces", call(1), Authorization=""))[0] == 401
    assert (await station.send("traces", call(1), attempt=2))[0] == 403
    station.live[RUN] = 2
    assert (await station.send("traces", call(1), attempt=2))[0] == 200


async def test_a_token_as_it_stands_in_the_variable_is_read_too(station: Station) -> None:
    as_it_stands = "Bearer%20" + station.tokens.token(RUN, 1)
    assert (await station.send("traces", call(1), Authorization=as_it_stands))[0] == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/profiles", "/metrics", "/v1/runs"])
async def test_there_is_nothing_else_and_nothing_is_told(station: Station, path: str) -> None:
    for method in ("GET", "POST"):
        async with station.session.request(method, station.url + path, headers=station.headers()) as answer:
            assert answer.status == 404
            assert "Server" not in answer.headers


async def test_paths_are_for_posts(station: Station) -> None:
    async with station.session.get(station.url + "/v1/traces", headers=station.headers()) as answer:
        assert answer.status == 405


async def test_other_types_and_packings_are_refused(station: Station) -> None:
    assert (await station.send("traces", call(1), "text/plain"))[0] == 415
    assert (await station.send("traces", call(1), **{"Content-Encoding": "br"}))[0] == 415


async def test_too_large_a_body_is_refused(station: Station) -> None:
    assert (await station.send("traces", bytes(4 * MIB + 1)))[0] == 413
    bomb = gzip.compress(bytes(100 * MIB))
    assert (await station.send("traces", bomb, **{"Content-Encoding": "gzip"}))[0] == 413
    reader, writer = await _connect(station)
    writer.write(_head(station, b"Transfer-Encoding: chunked"))
    for _ in range(5):
        writer.write(b"100000\r\n" + bytes(MIB) + b"\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    assert (await station.send("traces", call(1)))[0] == 200


async def test_who_sends_too_much_is_told_when_to_go_on(station: Station) -> None:
    garbage = b"\xff" * (4 * MIB)
    statuses = []
    while (answer := await station.send("traces", garbage))[0] == 400:
        statuses.append(answer[0])
        assert len(statuses) < 100
    status, headers, body = answer
    assert status == 429
    assert int(headers["Retry-After"]) >= 1
    assert "too much" in Status.FromString(body).message
    station.live["run_" + "1" * 26] = 1
    other = f"Bearer {station.tokens.token('run_' + '1' * 26, 1)}"
    assert (await station.send("traces", call(1), Authorization=other))[0] == 200


async def test_a_body_that_does_not_come_is_not_awaited(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "_BODY_S", 0.1)
    reader, writer = await _connect(station)
    writer.write(_head(station, b"Content-Length: 10") + b"begun")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    assert b"has not come" in await reader.read()
    writer.close()


async def test_a_connection_that_asks_for_nothing_is_closed(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_FIRST_REQUEST_S", 0.1)
    reader, writer = await _connect(station)
    writer.write(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")  # and no more
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(1)
    writer.close()


async def test_one_peer_has_so_many_connections_and_no_more(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_MOST_OF_ONE", 2)
    taken = [await _connect(station) for _ in range(2)]
    for _, writer in taken:  # both are with the server when they are answered
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    for reader, _ in taken:
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    reader, writer = await _connect(station)
    assert await reader.read() == b""
    for one in (writer, *(writer for _, writer in taken)):
        one.close()


@pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"POST /v1/traces HTTP/1.1\r\nA: " + b"x" * 20_000])
async def test_what_is_no_http_is_refused(station: Station, head: bytes) -> None:
    reader, writer = await _connect(station)
    writer.write(head)
    assert (await reader.readline()).startswith(b"HTTP/1.0 400")
    writer.close()
    assert (await station.send("traces", call(1)))[0] == 200


def _head(station: Station, more: bytes) -> bytes:
    headers = [b": ".join([name.encode(), value.encode()]) for name, value in station.headers().items()]
    return b"\r\n".join([b"POST /v1/traces HTTP/1.1", b"Host: x", *headers, more, b"", b""])


async def _connect(station: Station) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = station.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port), family=socket.AF_INET)
