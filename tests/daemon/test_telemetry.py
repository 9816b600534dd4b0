"""Telemetry of real containers: received on the bridge, kept through a crash, and shown."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from runsd.faults import Step
from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, Daemon, first_line
from tests.daemon.test_sandboxes import joined, warmed

# What an image with nothing but Python has to send by.
SENDER = """
import json, os, time, urllib.parse, urllib.request
def send(signal, document):
    name, _, value = os.environ["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/" + signal
    headers = {name: urllib.parse.unquote(value), "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
def call(number):
    told = {"gen_ai.operation.name": {"stringValue": "chat"}, "gen_ai.usage.input_tokens": {"intValue": "10"},
            "gen_ai.usage.output_tokens": {"intValue": 5}}
    span = {"traceId": "ab" * 16, "spanId": "%016x" % number, "kind": 3,
            "attributes": [{"key": key, "value": value} for key, value in told.items()]}
    send("traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
def steps(count):
    point = {"asInt": str(count), "startTimeUnixNano": "5", "timeUnixNano": str(count + 5)}
    data = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
    send("metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "steps", "sum": data}]}]}]})
def gate(name):
    while not os.path.exists(name):
        time.sleep(0.02)
"""
PRINT_OTEL = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if 'OTEL' in k}))"


@pytest.fixture(scope="module")
def daemon(serve: Serve, python_image: str) -> Iterator[Daemon]:
    with serve(RUNSD_DEFAULTS__MEMORY="64Mi") as daemon:
        daemon.image = python_image
        yield daemon


def named(daemon: Daemon, run_id: str) -> dict[str, Any]:
    return {one.name: one.value for one in daemon.client.metrics(run_id).named}


def told(daemon: Daemon, run_id: str) -> tuple[int | None, int | None, int | None]:
    metrics = daemon.client.metrics(run_id)
    return metrics.requests, metrics.tokens_in, metrics.tokens_out


def test_a_run_on_the_bridge_tells_and_is_heard(daemon: Daemon) -> None:
    program = SENDER + "call(1); call(2); steps(3)"
    result = daemon.run("python3", "-c", program, network="bridge")
    assert result.exit_code == 0, result.stderr
    assert told(daemon, result.id) == (2, 20, 10)
    assert named(daemon, result.id) == {"steps": 3}
    endpoint = daemon.client.health().telemetry
    assert endpoint is not None
    assert endpoint.message is None


def test_a_run_in_a_sandbox_is_heard_too(serve: Serve, python_image: str) -> None:
    with serve(RUNSD_SANDBOX__POOL="1", RUNSD_DEFAULTS__MEMORY="64Mi") as daemon:
        daemon.image = python_image
        sandbox = warmed(daemon, "bridge")
        handle = daemon.submit("python3", "-c", SENDER + "gate('/gate'); call(1)", network="bridge")
        daemon.until(handle.id, "run.running")
        assert joined(daemon, handle.id) == sandbox
        daemon.open_gate(handle.id)
        assert handle.wait(ENDED_S).exit_code == 0
        assert told(daemon, handle.id) == (1, 10, 5)


def test_attempts_of_a_run_are_added_up(daemon: Daemon) -> None:
    program = SENDER + "call(1); steps(3); raise SystemExit(1)"
    retries = {"limit": 1, "backoffSeconds": 0}
    result = daemon.run("python3", "-c", program, network="bridge", retries=retries)
    assert result.attempt == 2
    assert told(daemon, result.id) == (2, 20, 10)
    assert named(daemon, result.id) == {"steps": 6}


def test_what_has_come_is_shown_while_the_run_goes_on(daemon: Daemon) -> None:
    program = SENDER + "call(1); print('told', flush=True); gate('/gate')"
    handle = daemon.submit("python3", "-c", program, network="bridge")
    assert first_line(handle) == "told\n"
    assert told(daemon, handle.id) == (1, 10, 5)
    daemon.open_gate(handle.id)
    assert handle.wait(ENDED_S).exit_code == 0


def test_a_run_that_tells_nothing_has_nothing_to_show(daemon: Daemon) -> None:
    result = daemon.run("python3", "-c", "", network="bridge")
    assert told(daemon, result.id) == (None, None, None)
    assert named(daemon, result.id) == {}


def test_without_a_network_there_is_nobody_to_tell(daemon: Daemon) -> None:
    result = daemon.run("python3", "-c", PRINT_OTEL)
    assert json.loads(result.stdout) == {}


def test_a_run_that_tells_others_is_given_nothing(daemon: Daemon) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    result = daemon.run("python3", "-c", PRINT_OTEL, network="bridge", env=env)
    assert json.loads(result.stdout) == env


def test_a_deleted_run_s_telemetry_is_gone(daemon: Daemon) -> None:
    result = daemon.run("python3", "-c", SENDER + "steps(3)", network="bridge")
    daemon.client.delete(result.id)
    with closing(sqlite3.connect(daemon.directory / "data" / "logs.db")) as db:
        assert db.execute("select count(*) from telemetry where run_id = ?", (result.id,)).fetchone() == (0,)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_stores_it_goes_on_where_it_was(daemon: Daemon, when: str) -> None:
    program = SENDER + "steps(3); gate('/gate'); steps(7); call(1)"
    daemon.kill9()
    daemon.start(RUNSD_FAULT=f"{when}:{Step.TELEMETRY}")
    handle = daemon.submit("python3", "-c", program, network="bridge")
    daemon.await_death()
    daemon.start()
    assert named(daemon, handle.id) == ({"steps": 3} if when == "after" else {})
    daemon.open_gate(handle.id)
    result = handle.wait(ENDED_S)
    assert result.exit_code == 0, result.stderr
    assert named(daemon, handle.id) == {"steps": 7}
    assert told(daemon, handle.id) == (1, 10, 5)
