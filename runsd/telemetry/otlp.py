"""OTLP over HTTP: payloads decoded into facts, and answers encoded, as protobuf or as JSON.

Source: docs/specification.md of open-telemetry/opentelemetry-proto ("OTLP/HTTP", "JSON Protobuf Encoding").
"""

import base64
import json
import zlib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

from runsd.telemetry import reading
from runsd.telemetry.facts import Batch, Signal

_IDS: Final = ("traceId", "spanId", "parentSpanId")
_GZIP = 16 + zlib.MAX_WBITS
_REJECTED: Final[Mapping[Signal, str]] = {
    Signal.TRACES: "rejected_spans",
    Signal.METRICS: "rejected_data_points",
    Signal.LOGS: "rejected_log_records",
}


class Encoding(StrEnum):
    """How a payload is written; the value is its content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class BadPayload(Exception):
    """A payload that cannot be read, now or ever."""


class TooLarge(Exception):
    """A payload of more bytes than are taken."""


def unpacked(body: bytes, most_bytes: int) -> bytes:
    """Return what was packed by gzip, without making more than so many bytes of it.

    Raises TooLarge, or BadPayload when it is not one whole gzip member.
    """
    inflating = zlib.decompressobj(_GZIP)
    try:
        plain = inflating.decompress(body, most_bytes)
    except zlib.error as failure:
        raise BadPayload(f"cannot unpack the body: {failure}") from failure
    if inflating.unconsumed_tail:
        raise TooLarge
    if not inflating.eof or inflating.unused_data:
        raise BadPayload("cannot unpack the body: it is not one whole gzip member")
    return plain


def decode(signal: Signal, body: bytes, encoding: Encoding) -> Batch:
    """Read a payload. Raises BadPayload."""
    message = _requests()[signal]()
    if encoding is Encoding.JSON:
        _parse_json(body, message)
    else:
        _parse_protobuf(body, message)
    return _READERS[signal](message)


def answer(signal: Signal, encoding: Encoding, rejected: int, said: str) -> bytes:
    """Write a success; ``rejected`` items were not taken, for the reason that is said."""
    if encoding is Encoding.JSON:
        name = _camel(_REJECTED[signal])
        partial = {"partialSuccess": {name: str(rejected), "errorMessage": said}} if rejected else {}
        return json.dumps(partial).encode()
    # field 1, partial_success: field 1 is the number of what was rejected, field 2 the message.
    counted = b"\x08" + _varint(rejected) + b"\x12" + _sized(said.encode())
    return b"\x0a" + _sized(counted) if rejected else b""


def refusal(encoding: Encoding, said: str) -> bytes:
    """Write a google.rpc.Status; its ``code`` is not used by the specification."""
    if encoding is Encoding.JSON:
        return json.dumps({"message": said}).encode()
    return b"\x12" + _sized(said.encode())


@cache
def _requests() -> Mapping[Signal, Any]:
    """Import what knows the wire format, on the first payload: many daemons see none, and it takes 3 MB."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return {
        Signal.TRACES: ExportTraceServiceRequest,
        Signal.METRICS: ExportMetricsServiceRequest,
        Signal.LOGS: ExportLogsServiceRequest,
    }


def _parse_protobuf(body: bytes, message: Any) -> None:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(body)
    except DecodeError as failure:
        raise BadPayload(f"cannot read the body as protobuf: {failure}") from failure


def _parse_json(body: bytes, message: Any) -> None:
    from google.protobuf import json_format

    try:
        document = json.loads(body)
        _encode_ids(document)
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as failure:
        raise BadPayload(f"cannot read the body as JSON: {str(failure)[:500]}") from failure


def _encode_ids(document: Any) -> None:
    """Write ids in base64, as JSON of protobuf has bytes, where OTLP has them in hexadecimal."""
    if not isinstance(document, dict):
        raise BadPayload("cannot read the body as JSON: it is not an object")
    left: list[Any] = [document]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            for name in _IDS:
                if isinstance(node.get(name), str):
                    node[name] = base64.b64encode(bytes.fromhex(node[name])).decode()
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


_READERS: Final = {
    Signal.TRACES: reading.traces,
    Signal.METRICS: reading.metrics,
    Signal.LOGS: reading.logs,
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _sized(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
