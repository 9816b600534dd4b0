"""Bad input is refused by the field's name with a remedy, and leaves nothing behind."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from runsd_sdk.run import Run

from tests.api.problem import refused
from tests.daemon.harness import Daemon

GOOD = {"image": "runsd/busybox:1", "command": ["true"], "network": "none"}
MIB = 1024**2
JSON = {"Content-Type": "application/json"}


def requests(**given: Any) -> dict[str, Any]:
    return {"resources": {"requests": given}}


def mounts(*paths: str, volume: str = "nowhere") -> dict[str, Any]:
    return {"volumeMounts": [{"volumeId": volume, "mountPath": path} for path in paths]}


BAD: list[tuple[str, dict[str, Any], list[str | int], str]] = [
    ("unknown field", {"colour": "red"}, ["colour"], "check its spelling"),
    ("unknown field below", requests(disk="1Gi"), ["resources", "requests", "disk"], "check its spelling"),
    ("wrong type", {"command": "echo hi"}, ["command"], "list"),
    ("wrong type below", {"env": {"A": 1}}, ["env", "A"], "string"),
    ("cpu 0", requests(cpu="0"), ["resources", "requests", "cpu"], '"10m"'),
    ("cpu -1", requests(cpu="-1"), ["resources", "requests", "cpu"], '"500m"'),
    ("cpu 1e9", requests(cpu="1e9"), ["resources", "requests", "cpu"], '"500m"'),
    ("cpu NaN", requests(cpu="NaN"), ["resources", "requests", "cpu"], '"500m"'),
    ("cpu number 1e9", requests(cpu=1e9), ["resources", "requests", "cpu"], '"500m"'),
    ("more cpu than there is", requests(cpu="3"), ["resources", "requests", "cpu"], "at most 2 cores"),
    ("more memory than there is", requests(memory="2Gi"), ["resources", "requests", "memory"], "1.0 GiB"),
    ("more gpus than there are", requests(gpu="1"), ["resources", "requests", "gpu"], "0 GPUs"),
    ("memory 8Gb", requests(memory="8Gb"), ["resources", "requests", "memory"], '"8Gi"'),
    ("timeout 0", {"timeoutSeconds": 0}, ["timeoutSeconds"], "greater than or equal to 1"),
    ("timeout 86401", {"timeoutSeconds": 86_401}, ["timeoutSeconds"], "less than or equal to 86400"),
    ("timeout 1.5", {"timeoutSeconds": 1.5}, ["timeoutSeconds"], "whole number"),
    ("timeout over the host's", {"timeoutSeconds": 601}, ["timeoutSeconds"], "at most 600"),
    ("mount path relative", mounts("cache"), ["volumeMounts", 0, "mountPath"], "start it with '/'"),
    ("mount path /proc", mounts("/proc"), ["volumeMounts", 0, "mountPath"], "/data"),
    ("mount path ..", mounts("/a/../etc"), ["volumeMounts", 0, "mountPath"], "'..'"),
    ("two mounts at one path", mounts("/a", "/a/"), [], "its own mountPath"),
    ("unknown volume", mounts("/a"), ["volumeMounts", 0, "volumeId"], "POST /v1/volumes"),
    ("unknown secret", {"secrets": ["NONE"]}, ["secrets", 0, "name"], "PUT /v1/secrets/NONE"),
    ("secret's name", {"secrets": ["a b"]}, ["secrets", 0, "name"], "as in DB_URL"),
    (
        "secret outside",
        {"secrets": [{"name": "A", "path": "/etc/x"}]},
        ["secrets", 0, "path"],
        "/run/secrets",
    ),
    ("secret and env", {"env": {"A": "1"}, "secrets": ["A"]}, ["secrets"], "choose one"),
    (
        "secret in a secret",
        {"secrets": [{"name": "A", "path": p} for p in ("x", "x/y")]},
        ["secrets"],
        "another",
    ),
    ("env with =", {"env": {"A=B": "1"}}, ["env"], "'='"),
    ("env with NUL", {"env": {"A": "x\0y"}}, ["env", "A"], "NUL"),
    ("command with NUL", {"command": ["a\0b"]}, ["command", 0], "NUL"),
    ("image with spaces", {"image": "my image"}, ["image"], "[registry/]name[:tag]"),
    ("image that is not allowed", {"image": "alpine"}, ["image"], "runsd/*"),
    ("label key of 300", {"labels": {"k" * 300: "v"}}, ["labels"], "1 to 128"),
    ("network of the host", {"network": "host"}, ["network"], "bridge, none"),
]


@pytest.fixture
def nothing_new(daemon: Daemon) -> Iterator[None]:
    """No run, no event and no volume comes of a test."""
    before = everything(daemon)
    yield
    assert everything(daemon) == before


def everything(daemon: Daemon) -> tuple[Any, ...]:
    runs = daemon.http.get("/v1/runs", params={"limit": 1000}).json()["data"]
    events = daemon.http.get("/v1/events", params={"limit": 1000}).json()
    assert events["nextCursor"] is None
    volumes = daemon.http.get("/v1/volumes").json()["data"]
    return [run["id"] for run in runs], len(events["data"]), volumes


@pytest.mark.parametrize(("given", "loc", "remedy"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
@pytest.mark.usefixtures("nothing_new")
def test_a_bad_run_is_refused_by_its_field(
    given: dict[str, Any], loc: list[str | int], remedy: str, daemon: Daemon
) -> None:
    problem = refused(daemon.http.post("/v1/runs", json=GOOD | given), 422)
    assert [error.loc for error in problem.errors] == [loc]
    assert remedy in problem.errors[0].msg


@pytest.mark.parametrize(("given", "loc"), [bad[1:3] for bad in BAD], ids=[bad[0] for bad in BAD])
@pytest.mark.usefixtures("nothing_new")
def test_one_bad_run_refuses_its_whole_batch(
    given: dict[str, Any], loc: list[str | int], daemon: Daemon
) -> None:
    answer = daemon.http.post("/v1/runs/batch", json={"runs": [GOOD, GOOD | given, GOOD]})
    assert [error.loc for error in refused(answer, 422).errors] == [["runs", 1, *loc]]


@pytest.mark.usefixtures("nothing_new")
def test_a_batch_of_none_and_of_too_many(daemon: Daemon) -> None:
    for runs in ([], [GOOD] * 1001):
        problem = refused(daemon.http.post("/v1/runs/batch", json={"runs": runs}), 422)
        assert [error.loc for error in problem.errors] == [["runs"]]


@pytest.mark.usefixtures("nothing_new")
def test_every_bad_field_is_named_at_once(daemon: Daemon) -> None:
    body = {"image": "a b", "timeoutSeconds": 0, "colour": 1, **requests(cpu="0", memory="8Gb")}
    problem = refused(daemon.http.post("/v1/runs", json=body), 422)
    assert {".".join(map(str, error.loc)) for error in problem.errors} == {
        "image", "timeoutSeconds", "colour", "resources.requests.cpu", "resources.requests.memory",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("{'image': 'a'}", 400),
        ("", 422),  # no body is an empty object: the image is missing
        ("image=a", 400),
        ('{"image": "a", }', 400),
        ('{"image": "\\ud800"}', 400),
        (b'{"image": "\xff"}', 400),
        ("[" * 10_000, 400),
        ('{"priority": ' + "9" * 5000 + "}", 400),
        ("[]", 422),
        ("null", 422),
        ('"alpine"', 422),
        ("{}", 422),
        ('{"image": null}', 422),
        ('{"image": "runsd/busybox:1", "stopGraceSeconds": NaN}', 422),
        ('{"image": "runsd/busybox:1", "stopGraceSeconds": 1e999}', 422),
    ],
)
@pytest.mark.usefixtures("nothing_new")
def test_a_body_that_is_no_run(body: str | bytes, status: int, daemon: Daemon) -> None:
    for path in ("/v1/runs", "/v1/runs/batch", "/v1/volumes"):
        answer = daemon.http.post(path, content=body, headers={"Content-Type": "application/json"})
        expected = status if path == "/v1/runs" or status == 400 else 422
        refused(answer, expected)


@pytest.mark.usefixtures("nothing_new")
def test_a_body_over_its_limit_is_refused_with_the_limit(daemon: Daemon) -> None:
    large = json.dumps(GOOD | {"env": {"A": "x" * 2 * MIB}}).encode()
    assert "1 MiB" in refused(daemon.http.post("/v1/runs", content=large, headers=JSON), 413).detail
    chunks = iter([large[: len(large) // 2], large[len(large) // 2 :]])  # without a Content-Length
    assert "1 MiB" in refused(daemon.http.post("/v1/runs", content=chunks, headers=JSON), 413).detail
    larger = json.dumps({"runs": [GOOD | {"env": {"A": "x" * 11 * MIB}}]}).encode()
    assert "10 MiB" in refused(daemon.http.post("/v1/runs/batch", content=larger, headers=JSON), 413).detail


@pytest.mark.parametrize(
    "type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
@pytest.mark.usefixtures("nothing_new")
def test_a_body_of_another_type_is_refused(type: str, daemon: Daemon) -> None:
    answer = daemon.http.post("/v1/runs", content=json.dumps(GOOD), headers={"Content-Type": type})
    assert "application/json" in refused(answer, 415).detail


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/v1/runs", "limit=0", "limit"),
        ("/v1/runs", "limit=1000000000", "limit"),
        ("/v1/runs", "limit=-1", "limit"),
        ("/v1/runs", "limit=ten", "limit"),
        ("/v1/runs", "limit=", "limit"),
        ("/v1/runs", "status=lost", "status"),
        ("/v1/runs", "status=running&status=lost", "status"),
        ("/v1/runs", "label=k", "label"),
        ("/v1/runs", "label==v", "label"),
        ("/v1/runs", "&".join(["label=k=v"] * 65), "label"),
        ("/v1/runs", "createdAfter=yesterday", "createdAfter"),
        ("/v1/runs", "createdAfter=2026-11-22T01:00:00", "createdAfter"),
        ("/v1/runs", "createdBefore=2026-11-22T01:00:00", "createdBefore"),
        ("/v1/runs", "text=", "text"),
        ("/v1/runs", f"text={'x' * 201}", "text"),
        ("/v1/runs", f"cursor={'x' * 65}", "cursor"),
        ("/v1/runs", "colour=red", "colour"),
        ("/v1/events", "limit=0", "limit"),
        ("/v1/events", "limit=1000000000", "limit"),
        ("/v1/events", "since=-1", "since"),
        ("/v1/events", f"since={10**30}", "since"),
        ("/v1/usage", "month=2026-13", "month"),
        ("/v1/usage", "month=november", "month"),
        ("/v1/usage", "groupBy=colour", "groupBy"),
        ("/v1/usage", "groupBy=label:", "groupBy"),
        ("/v1/health", "verbose=1", "verbose"),
        ("/v1/info", "x=1", "x"),
        ("/v1/volumes", "limit=1", "limit"),
        ("/v1/runs/run_1/wait", "timeoutSeconds=601", "timeoutSeconds"),
        ("/v1/runs/run_1/wait", "timeoutSeconds=-1", "timeoutSeconds"),
        ("/v1/runs/run_1/wait", "timeoutSeconds=NaN", "timeoutSeconds"),
        ("/v1/runs/run_1/wait", "timeoutSeconds=inf", "timeoutSeconds"),
        ("/v1/runs/run_1/logs", "stream=stdin", "stream"),
        ("/v1/runs/run_1/logs", "attempt=0", "attempt"),
        ("/v1/runs/run_1/logs", "tail=-1", "tail"),
        ("/v1/runs/run_1/logs", "tail=1000000000", "tail"),
        ("/v1/runs/run_1/logs", "follow=maybe", "follow"),
        ("/v1/runs/run_1/logs/lines", "from=0", "from"),
        ("/v1/runs/run_1/logs/lines", "count=1001", "count"),
        ("/v1/runs/run_1/logs/lines", "beyond=here", "beyond"),
        ("/v1/runs/run_1/logs/lines", "timeoutSeconds=601", "timeoutSeconds"),
        ("/v1/runs/run_1/logs/matches", f"text={'x' * 1001}", "text"),
    ],
)
@pytest.mark.usefixtures("nothing_new")
def test_a_bad_parameter_is_refused_by_its_name(path: str, query: str, field: str, daemon: Daemon) -> None:
    problem = refused(daemon.http.get(f"{path}?{query}"), 422)
    assert [error.loc[0] for error in problem.errors] == [field]
    assert problem.errors[0].msg


@pytest.mark.parametrize("name", ["", "A b", "../etc", "x" * 64, "-a"])
@pytest.mark.usefixtures("nothing_new")
def test_a_bad_volume_is_refused_by_its_name(name: str, daemon: Daemon) -> None:
    problem = refused(daemon.http.post("/v1/volumes", json={"name": name}), 422)
    assert problem.errors[0].loc == ["name"]


@pytest.mark.usefixtures("nothing_new")
def test_a_key_that_is_empty_or_too_long_or_not_text(daemon: Daemon) -> None:
    for key in (b"", b"k" * 256, b"k\xff"):
        headers = [(b"Idempotency-Key", key)]
        problem = refused(daemon.http.post("/v1/runs", json=GOOD, headers=headers), 422)
        assert [error.loc for error in problem.errors] == [["Idempotency-Key"]]


# Of runs that exist


@pytest.fixture(scope="module")
def over(daemon: Daemon) -> Run:
    """A run that has ended."""
    return daemon.run("true")


@pytest.mark.parametrize(
    ("patch", "loc"),
    [
        ({"timeoutSeconds": 601}, ["timeoutSeconds"]),
        ({"colour": 1}, ["colour"]),
        ({"env": {"A": 1}}, ["env", "A"]),
        ({"image": None}, ["image"]),
        ({"image": "a b"}, ["image"]),
        ({"resources": {"requests": {"cpu": "3"}}}, ["resources", "requests", "cpu"]),
        ({"resources": 7}, ["resources"]),
        ({"volumeMounts": [{"volumeId": "nowhere", "mountPath": "/a"}]}, ["volumeMounts", 0, "volumeId"]),
    ],
)
def test_bad_overrides_are_refused_by_their_field(
    patch: dict[str, Any], loc: list[str], over: Run, nothing_new: None, daemon: Daemon
) -> None:
    problem = refused(daemon.http.post(f"/v1/runs/{over.id}/rerun", json=patch), 422)
    assert [error.loc for error in problem.errors] == [loc]


def test_overrides_that_no_model_foresees(over: Run, nothing_new: None, daemon: Daemon) -> None:
    deep = '{"env": ' * 150 + "1" + "}" * 150
    for body in (deep, '{"priority": ' + "9" * 5000 + "}", '{"stopGraceSeconds": NaN}', '{"a\\u0000": 1}'):
        answer = daemon.http.post(f"/v1/runs/{over.id}/rerun", content=body, headers=JSON)
        assert answer.status_code in (400, 422), answer.text
        refused(answer, answer.status_code)


@pytest.mark.parametrize(
    ("patch", "status", "loc"),
    [
        ({}, 422, []),
        ({"timeoutSeconds": 0}, 422, ["timeoutSeconds"]),
        ({"timeoutSeconds": 601}, 422, ["timeoutSeconds"]),
        ({"labels": {"k" * 300: "v"}}, 422, ["labels"]),
        ({"name": "x"}, 422, ["name"]),
        ({"timeoutSeconds": 60}, 409, None),  # it is over
    ],
)
def test_a_bad_change_is_refused(
    patch: dict[str, Any], status: int, loc: list[str] | None, over: Run, nothing_new: None, daemon: Daemon
) -> None:
    problem = refused(daemon.http.patch(f"/v1/runs/{over.id}", json=patch), status)
    assert loc is None or [error.loc for error in problem.errors] == [loc]


@pytest.mark.parametrize("cursor", ["x", "1", "-1.0", "1.0.0"])
def test_a_cursor_that_is_none_is_refused(cursor: str, over: Run, daemon: Daemon) -> None:
    for query, headers in (({"since": cursor}, {}), ({}, {"Last-Event-ID": cursor})):
        answer = daemon.http.get(f"/v1/runs/{over.id}/logs", params=query, headers=headers)
        assert "not a cursor" in refused(answer, 422).errors[0].msg


def test_two_clients_that_cancel_at_once_are_both_answered(daemon: Daemon) -> None:
    handle = daemon.submit("sleep", "60")
    daemon.until(handle.id, "run.running")
    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(lambda _: daemon.http.post(f"/v1/runs/{handle.id}/cancel").status_code, range(8))
        )
    assert answers == [200] * 8
    assert handle.wait(60).status == "cancelled"
    told = [event["type"] for event in daemon.http.get(f"/v1/runs/{handle.id}/events").json()["data"]]
    assert told.count("run.stopping") == told.count("run.finished") == 1
