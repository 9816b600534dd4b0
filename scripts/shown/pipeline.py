"""The program of the Python runs on the screenshots: it logs, tells of calls of a model, and may fail."""

import json
import os
import sys
import time
import urllib.request
from typing import Any
from urllib.parse import unquote

STEPS = 12
NANO = 10**9


def train(symbol: str, folds: int = 3, seconds: float = 2.0, *, fail: bool = False) -> dict[str, Any]:
    """Train so many folds, and return what came of each."""
    scores: list[dict[str, Any]] = []
    for fold in range(folds):
        print(f"\x1b[1mfold {fold}\x1b[0m of {symbol}: 2019-01-01 … 2024-0{fold + 1}-01", flush=True)
        for step in range(STEPS):
            time.sleep(seconds / folds / STEPS)
            bar = "█" * (step + 1) + "·" * (STEPS - step - 1)
            print(f"\r  epoch {step + 1:2}/{STEPS} {bar} loss {0.7 / (step + 1):.4f}", end="", flush=True)
            tell(fold * STEPS + step, loss=0.7 / (step + 1))
        print(f"\r  \x1b[32mdone\x1b[0m   accuracy {0.61 + fold / 100:.2f}", flush=True)
        scores.append({"fold": fold, "accuracy": 0.61 + fold / 100, "parameters": {"depth": 6, "rate": 0.05}})
    if fail:
        complain(symbol)
    return {"symbol": symbol, "folds": scores, "best": max(score["accuracy"] for score in scores)}


def complain(symbol: str) -> None:
    """Fail as a program does that was given other data than it thinks."""
    print(f"\x1b[33mwarning:\x1b[0m 3 rows of {symbol} have no price", file=sys.stderr)
    prices = {"AAPL": 1.0}
    try:
        prices[symbol]
    except KeyError as error:
        raise ValueError(f"no prices for {symbol} after 2024-03-01") from error


def tell(step: int, loss: float) -> None:
    """Tell of one call of a model, and of a loss, as OpenTelemetry's exporters do."""
    now = time.time_ns()
    resource = {"attributes": [text("service.instance.id", "shown")]}
    used = [number("gen_ai.usage.input_tokens", 900 + 35 * step), number("gen_ai.usage.output_tokens", 210)]
    span = {
        "traceId": "01" * 16, "spanId": f"{step + 1:016x}", "name": "chat small", "kind": 3,
        "startTimeUnixNano": str(now - NANO), "endTimeUnixNano": str(now),
        "attributes": [text("gen_ai.operation.name", "chat"), *used],
    }  # fmt: skip
    spans = [{"scope": {"name": "shown"}, "spans": [span]}]
    send("traces", {"resourceSpans": [{"resource": resource, "scopeSpans": spans}]})
    points = [{"timeUnixNano": str(now), "asDouble": loss}]
    metrics = [{"scope": {"name": "shown"}, "metrics": [{"name": "loss", "gauge": {"dataPoints": points}}]}]
    send("metrics", {"resourceMetrics": [{"resource": resource, "scopeMetrics": metrics}]})


def text(key: str, value: str) -> dict[str, Any]:
    """Return an attribute that is a text."""
    return {"key": key, "value": {"stringValue": value}}


def number(key: str, value: int) -> dict[str, Any]:
    """Return an attribute that is a number."""
    return {"key": key, "value": {"intValue": str(value)}}


def send(signal: str, body: dict[str, Any]) -> None:
    """Send to where the variables of the environment lead."""
    name, _, token = os.environ["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
    request = urllib.request.Request(  # noqa: S310 - the daemon's own address
        f"{os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/{signal}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", name: unquote(token)},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        answer.read()
