"""HTTP's own manners: unknown paths and ids, methods, media types, projects, keys, and the daemon itself."""

import csv
import io
import json
import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from runsd_sdk.host import Health, Info
from runsd_sdk.run import LogEntry, Run

from runsd import __version__
from runsd.api.routes import ROUTES, Route
from tests.api.bodies import body
from tests.api.problem import refused
from tests.daemon.harness import GATE, Daemon, eventually

GOOD = {"image": "runsd/busybox:1", "command": ["true"], "network": "none"}
WITH_ID = [route for route in ROUTES if "{id}" in route.path]


@pytest.fixture(scope="module")
def over(daemon: Daemon) -> Run:
    """A run that has ended, with a line on each stream."""
    return daemon.run("sh", "-c", "echo out; echo err >&2")


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", WITH_ID, ids=name)
@pytest.mark.parametrize(
    "id", ["run_01aaaaaaaaaaaaaaaaaaaaaaaa", "x", "%00", "%ff", "..%2f..", "ü", "x" * 5000]
)
def test_an_unknown_id_is_404_on_every_route(route: Route, id: str, daemon: Daemon) -> None:
    path = re.sub(r"\{\w+\}", "x", route.path.replace("{id}", id))
    answer = daemon.http.request(route.method, path, json=body(route))
    problem = refused(answer, 404)
    assert re.search(r"list them with GET /v1/|send it .* with POST /v1/sources", problem.detail)
    assert len(problem.detail) < 200


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/run", "/v2/runs", "/v1/runs/", "/v1/runs/a/b", "//v1/runs"]
)
def test_an_unknown_path_is_404_and_says_where_to_look(path: str, daemon: Daemon) -> None:
    assert "/v1/openapi.json" in refused(daemon.http.get(f"http://runsd{path}"), 404).detail


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_method_that_a_path_has_not_is_405_with_those_it_has(path: str, daemon: Daemon) -> None:
    parameter = r"\{\w+\}"
    asked = re.sub(parameter, "run_1", path)
    methods = {
        route.method for route in ROUTES if re.fullmatch(re.sub(parameter, "[^/]+", route.path), asked)
    }
    for method in {"PUT", "OPTIONS", "TRACE", "DELETE", "PATCH", "POST", "GET"} - methods:
        answer = daemon.http.request(method, asked)
        refused(answer, 405)
        assert set(re.split(", ?", answer.headers["Allow"])) == methods


def test_another_project_is_unknown(daemon: Daemon) -> None:
    for method, path in (("GET", "/v1/runs"), ("POST", "/v1/runs"), ("GET", "/v1/usage")):
        answer = daemon.http.request(method, path, headers={"Runsd-Project": "secret"})
        assert "no project 'secret' that you may use" in refused(answer, 404).detail
    assert daemon.http.get("/v1/runs", headers={"Runsd-Project": "default"}).status_code == 200
    assert daemon.http.get("/v1/runs", params={"project": "default"}).status_code == 200
    for path in ("/v1/runs", "/v1/health", "/v1/volumes"):
        assert daemon.http.get(path, params={"project": "default"}).status_code == 200
        refused(daemon.http.get(path, params={"project": "secret"}), 404)


def test_a_repeated_request_is_answered_by_the_same_run(daemon: Daemon) -> None:
    headers = {"Idempotency-Key": "k" * 255}
    first = daemon.http.post("/v1/runs", json=GOOD, headers=headers)
    again = daemon.http.post("/v1/runs", json=GOOD, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["Location"] == again.headers["Location"] == f"/v1/runs/{first.json()['id']}"
    other = daemon.http.post("/v1/runs", json=GOOD | {"name": "other"}, headers=headers)
    assert refused(other, 409).code == "idempotency_conflict"
    elsewhere = daemon.http.post("/v1/runs/batch", json={"runs": [GOOD]}, headers=headers)
    assert refused(elsewhere, 409).code == "idempotency_conflict"


def test_a_run_that_is_not_over_has_no_result_and_is_not_deleted(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60", stop_grace_seconds=0)
    assert refused(daemon.http.get(f"/v1/runs/{handle.id}/result"), 409).code == "not_over"
    refused(daemon.http.delete(f"/v1/runs/{handle.id}"), 409)
    waited = daemon.http.get(f"/v1/runs/{handle.id}/wait", params={"timeoutSeconds": 0})
    assert waited.json()["status"] in ("pending", "running")
    handle.cancel()
    assert handle.wait(60).reason == "cancelled"


def test_a_deleted_run_is_gone_and_stays_on_the_bill(daemon: Daemon) -> None:
    run = daemon.run("true")
    assert daemon.http.delete(f"/v1/runs/{run.id}").status_code == 204
    refused(daemon.http.get(f"/v1/runs/{run.id}"), 404)
    refused(daemon.http.delete(f"/v1/runs/{run.id}"), 404)
    usage = daemon.http.get("/v1/usage", params={"groupBy": "run"}).json()
    assert run.id in [group["key"] for group in usage["groups"]]


def test_a_volume_is_one_per_name_and_kept_while_it_is_used(daemon: Daemon) -> None:
    made = daemon.http.post("/v1/volumes", json={"name": "cache"})
    assert (made.status_code, made.headers["Location"]) == (201, f"/v1/volumes/{made.json()['id']}")
    refused(daemon.http.post("/v1/volumes", json={"name": "cache"}), 409)
    mounts = [{"volumeId": "cache", "mountPath": "/data"}]
    handle = daemon.submit("sleep", "60", volume_mounts=mounts, stop_grace_seconds=0)
    assert refused(daemon.http.delete("/v1/volumes/cache"), 409).code == "volume_in_use"
    handle.cancel()
    handle.wait(60)
    assert daemon.http.delete("/v1/volumes/cache").status_code == 204
    refused(daemon.http.get("/v1/volumes/cache"), 404)


# What Accept asks for


def test_a_log_comes_in_the_format_that_was_asked_for(over: Run, daemon: Daemon) -> None:
    def read(accept: str, **query: str) -> tuple[str, str]:
        answer = daemon.http.get(f"/v1/runs/{over.id}/logs", params=query, headers={"Accept": accept})
        assert answer.status_code == 200
        return answer.headers["Content-Type"], answer.text

    assert read("text/plain", stream="stdout") == ("text/plain; charset=utf-8", "out\n")
    assert read("*/*", stream="stderr") == ("text/plain; charset=utf-8", "err\n")
    assert read("image/png, text/plain;q=0.5", stream="stdout")[1] == "out\n"
    media, lines = read("application/x-ndjson")
    assert media == "application/x-ndjson"
    entries = [LogEntry.model_validate_json(line) for line in lines.splitlines()]
    assert {(entry.stream, entry.text) for entry in entries} == {("stdout", "out\n"), ("stderr", "err\n")}
    media, text = read("text/event-stream", follow="true")
    assert media == "text/event-stream; charset=utf-8"
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    assert [block[0] for block in blocks[:-1]] == [f"id: {entry.cursor}" for entry in entries]
    assert blocks[-1] == ["event: end", "data: {}"]


def test_a_log_goes_on_behind_the_last_event_that_was_seen(over: Run, daemon: Daemon) -> None:
    path, headers = f"/v1/runs/{over.id}/logs", {"Accept": "application/x-ndjson"}
    entries = [json.loads(line) for line in daemon.http.get(path, headers=headers).text.splitlines()]
    for n, entry in enumerate(entries):
        seen = headers | {"Last-Event-ID": entry["cursor"]}
        rest = [json.loads(line) for line in daemon.http.get(path, headers=seen).text.splitlines()]
        assert rest == entries[n + 1 :]


def test_lines_of_a_log_are_read_by_number_and_as_they_come(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", f"seq 1 300; echo err >&2; printf unfin; {GATE}echo ished")
    path = f"/v1/runs/{handle.id}/logs/lines"

    def read(place: str = path, **query: Any) -> Any:
        answer = daemon.http.get(place, params={"stream": "stdout", **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def texts(answer: Any) -> list[tuple[int, str, bool]]:
        return [
            (line["number"], "".join(piece["text"] for piece in line["pieces"]), line["ended"])
            for line in answer["data"]
        ]

    assert eventually(lambda: bool(read(count=0)["total"] == 301), within_s=60)
    last = read(count=2, tail=True)
    assert texts(last) == [(300, "300", True), (301, "unfin", False)]
    assert (last["total"], last["complete"]) == (301, False)
    assert texts(read(**{"from": 150, "count": 2})) == [(150, "150", True), (151, "151", True)]
    same = read(beyond=last["end"], timeoutSeconds=0.1)
    assert same["end"] == last["end"]
    daemon.open_gate(handle.id)
    more = read(**{"from": 301, "beyond": last["end"], "timeoutSeconds": 60})
    assert texts(more)[0] == (301, "unfinished", True)
    handle.wait(60)
    over = read(stream="stderr", beyond=read(stream="stderr", count=0)["end"], timeoutSeconds=60)
    assert (texts(over), over["complete"]) == ([(1, "err", True)], True)
    found = read(f"/v1/runs/{handle.id}/logs/matches", text="UNFIN", at=200)
    assert (found["count"], found["before"], found["following"]) == (1, 0, [301])
    assert read(f"/v1/runs/{handle.id}/logs/matches", text="29", **{"from": 100})["count"] == 12


def test_events_are_a_page_or_a_stream(over: Run, daemon: Daemon) -> None:
    path = f"/v1/runs/{over.id}/events"
    page = daemon.http.get(path, params={"limit": 2}).json()
    assert [event["type"] for event in page["data"]] == ["run.submitted", "run.admitted"]
    rest = daemon.http.get(path, params={"cursor": page["nextCursor"]}).json()
    assert rest["nextCursor"] is None
    assert rest["data"][-1]["type"] == "run.finished"
    stream = daemon.http.get(path, headers={"Accept": "text/event-stream"})
    assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    told = re.findall(r"^event: (.*)$", stream.text, re.MULTILINE)
    assert told == [event["type"] for event in page["data"] + rest["data"]] + ["end"]
    last = str(page["data"][-1]["id"])
    resumed = daemon.http.get(path, headers={"Accept": "text/event-stream", "Last-Event-ID": last})
    assert re.findall(r"^event: (.*)$", resumed.text, re.MULTILINE) == told[2:]
    for wrong in ("x", "-1", str(10**40), "9" * 5000):
        headers = {"Accept": "text/event-stream", "Last-Event-ID": wrong}
        assert refused(daemon.http.get(path, headers=headers), 422).errors[0].loc == ["Last-Event-ID"]


def test_usage_is_json_or_csv(over: Run, daemon: Daemon) -> None:
    query = {"groupBy": "day"}
    usage = daemon.http.get("/v1/usage", params=query).json()
    assert (usage["costUsd"], usage["pricePerVcpuSecondUsd"], usage["freeVcpuSeconds"]) == (
        "0",
        "0.00004",
        100_000,
    )
    assert usage["runs"] >= 1
    table = daemon.http.get("/v1/usage", params=query, headers={"Accept": "text/csv"})
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["key"] for row in rows] == [group["key"] for group in usage["groups"]] + ["total"]
    assert rows[-1]["vcpu_seconds"] == str(usage["vcpuSeconds"])
    empty = daemon.http.get("/v1/usage", params={"month": "1999-12", "groupBy": "run"}).json()
    assert (empty["vcpuSeconds"], empty["runs"], empty["groups"]) == (0, 0, [])


@pytest.mark.parametrize("label", ["team", "no such", 'a"b', "a\\b", "$", "\0", "ü"])
def test_usage_by_any_label(label: str, over: Run, daemon: Daemon) -> None:
    groups = daemon.http.get("/v1/usage", params={"groupBy": f"label:{label}"}).json()["groups"]
    assert [group["key"] for group in groups] == [""]


@pytest.mark.parametrize("text", ["%00", "%ff", "%ed%a0%80", "ü", "'", "%25", "%0a", "x" * 4000])
def test_filters_of_any_text_find_nothing(text: str, daemon: Daemon) -> None:
    for query in (f"name={text}", f"label=k={text}", f"label={text}x=v", f"task={text}"):
        answer = daemon.http.get(f"/v1/runs?{query}")
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"data": [], "nextCursor": None}


# The daemon about itself


def test_health_tells_the_daemon_from_the_engine(daemon: Daemon) -> None:
    health = Health.model_validate(daemon.http.get("/v1/health").json())
    assert (health.status, health.admitting, health.message) == ("ok", True, None)
    assert health.engine.reachable
    assert health.engine.version == daemon.eye.version()["Version"]


def test_info_says_what_may_be_given_out(daemon: Daemon) -> None:
    info = Info.model_validate(daemon.http.get("/v1/info").json())
    assert (info.version, info.instance) == (__version__, daemon.instance)
    assert (info.largest_run.cpu_milli, info.largest_run.memory_bytes) == (2000, 2**30)
    assert info.capacity.cpu_milli == 8000  # overcommitted four times
    assert info.in_use.cpu_milli >= 0


def test_metrics_are_prometheus_text(over: Run, daemon: Daemon) -> None:
    answer = daemon.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert all(name.startswith("runsd_") for name in families)
    assert all(family.documentation for family in families.values())
    assert {
        "runsd_runs_submitted",
        "runsd_runs_finished",
        "runsd_runs_queued",
        "runsd_engine_up",
    } <= families.keys()
    values = {sample.name: sample.value for family in families.values() for sample in family.samples}
    assert values["runsd_engine_up"] == 1
    assert values["runsd_cpu_capacity_cores"] == 8
    assert values["runsd_runs_submitted_total"] >= 1
