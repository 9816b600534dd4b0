"""The OpenAPI document is valid, complete, and what the daemon really does."""

import json
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runsd.api.openapi import document
from runsd.api.routes import ROUTES
from tests.daemon.harness import RUNSD, Daemon

DOCUMENT: dict[str, Any] = document()
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
QUICK = {"image": "runsd/busybox:1", "command": ["true"], "network": "none"}
TAR = tarfile.TarInfo("empty.py").tobuf() + bytes(1024)
SLOW = QUICK | {"command": ["sleep", "60"], "stopGraceSeconds": 0}


def test_the_document_is_valid_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_route_is_in_the_document_and_nothing_else_is() -> None:
    assert OPERATIONS.keys() == {(route.method, route.path) for route in ROUTES}
    assert len(OPERATIONS) == len(ROUTES)


def test_every_operation_is_described() -> None:
    ids = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert set(ids.values()) == {1}
    for (_, path), operation in OPERATIONS.items():
        assert operation["summary"].endswith(".")
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert any(status.startswith("2") for status in operation["responses"])


def test_every_schema_is_a_schema_and_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text, name


def test_the_daemon_and_the_command_give_the_same_document(daemon: Daemon) -> None:
    printed = subprocess.run([RUNSD, "openapi"], capture_output=True, check=True, timeout=30).stdout
    assert json.loads(printed) == daemon.http.get("/v1/openapi.json").json() == DOCUMENT


class Checked:
    """A client that holds every answer against the document."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        self.seen: set[tuple[str, str, int]] = set()

    def __call__(self, method: str, path: str, **given: Any) -> Any:
        """Return the decoded answer of a call that is as the document says."""
        answer = self._http.request(method, path, **given)
        operation = (method, template(method, path))
        responses = OPERATIONS[operation]["responses"]
        assert str(answer.status_code) in responses, answer.text
        self.seen.add((*operation, answer.status_code))
        content = responses[str(answer.status_code)].get("content", {})
        if not content:
            assert answer.content == b""
            return None
        media = answer.headers["Content-Type"].split(";")[0]
        assert media in content
        if media not in ("application/json", "application/problem+json"):
            return answer.text
        whole = content[media]["schema"] | {"components": DOCUMENT["components"]}
        Draft202012Validator(whole).validate(answer.json())
        return answer.json()


def template(method: str, path: str) -> str:
    """Return the documented path that a real one is an instance of."""
    plain = path.split("?")[0]
    if (method, plain) in OPERATIONS:
        return plain
    return next(
        str(p) for m, p in OPERATIONS if m == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", p), plain)
    )


@pytest.fixture
def call(daemon: Daemon) -> Iterator[Checked]:
    yield Checked(daemon.http)


def test_every_operation_answers_as_the_document_says(call: Checked) -> None:
    quick = call("POST", "/v1/runs", json=QUICK, headers={"Idempotency-Key": "openapi"})
    call("POST", "/v1/runs", json=QUICK, headers={"Idempotency-Key": "openapi"})
    for _ in range(2):
        source = call("POST", "/v1/sources", content=TAR, headers={"Content-Type": "application/x-tar"})
    call("GET", f"/v1/sources/{source['id']}")
    volume = call("POST", "/v1/volumes", json={"name": "documented", "labels": {"k": "v"}})
    call("PUT", "/v1/secrets/DOCUMENTED", json={"value": "hush"})
    call("GET", "/v1/secrets")
    mounts = [{"volumeId": "documented", "mountPath": "/data"}]
    whole = SLOW | {"volumeMounts": mounts, "retries": {"limit": 1}, "labels": {"k": "v"}, "name": "n"}
    whole |= {"secrets": ["DOCUMENTED", {"name": "DOCUMENTED", "path": "file"}]}
    (slow,) = call("POST", "/v1/runs/batch", json={"runs": [whole]})["data"]
    here = f"/v1/runs/{slow['id']}"
    for path in (
        "",
        "/wait?timeoutSeconds=0",
        "/logs",
        "/logs/lines",
        "/logs/matches",
        "/events",
        "/metrics",
        "/attempts",
        "/why",
        "/problems",
        "/lock",
        "/result",
    ):
        call("GET", here + path)
    call("DELETE", here)
    call("PATCH", here, json={"timeoutSeconds": 100, "labels": {"k": "w"}})
    call("POST", f"{here}/cancel")
    for id in (slow["id"], quick["id"]):
        call("GET", f"/v1/runs/{id}/wait")
        for path in (
            "",
            "/batch",
            "/logs",
            "/events",
            "/metrics",
            "/attempts",
            "/why",
            "/problems",
            "/lock",
            "/result",
        ):
            call("GET", f"/v1/runs/{id}{path}")
        call("GET", f"/v1/runs/{id}/logs/lines?from=1&count=5&tail=true&stream=system")
        call("GET", f"/v1/runs/{id}/logs/matches?text=x&at=2&from=1&attempt=1")
    again = call("POST", f"/v1/runs/{quick['id']}/rerun", json={"name": "again"})
    assert again["rerunOf"] == quick["id"]
    (third,) = call("POST", "/v1/runs/rerun", json={"runs": [quick["id"]]})["data"]
    for each in (again, third):
        call("GET", f"/v1/runs/{each['id']}/wait")
    call("GET", "/v1/runs?limit=1&status=succeeded&label=k=v")
    call("GET", "/v1/events?limit=3")
    for group in ("day", "run", "task", "label:k"):
        call("GET", f"/v1/usage?groupBy={group}")
    call("GET", "/v1/usage", headers={"Accept": "text/csv"})
    for media in ("application/x-ndjson", "text/event-stream"):
        call("GET", f"/v1/runs/{quick['id']}/logs", headers={"Accept": media})
    call("GET", f"/v1/runs/{quick['id']}/events", headers={"Accept": "text/event-stream"})
    call("POST", "/v1/projects", json={"name": "documented", "members": ["root", 1234]})
    call("PATCH", "/v1/projects/documented", json={"members": [1234]})
    for path in ("/v1/projects", "/v1/projects/documented"):
        call("GET", path)
    call("DELETE", "/v1/projects/documented")
    key = call("POST", "/v1/keys", json={"name": "documented", "access": "read", "expiresInSeconds": 60})
    for path in ("/v1/keys", f"/v1/keys/{key['id']}"):
        call("GET", path)
    call("DELETE", f"/v1/keys/{key['id']}")
    call("POST", "/v1/logins")
    for path in (
        "/v1/volumes",
        f"/v1/volumes/{volume['id']}",
        "/v1/health",
        "/v1/info",
        "/v1/queue",
        "/metrics",
    ):
        call("GET", path)
    for _ in range(2):
        task = call(
            "POST", "/v1/tasks", json={"name": "documented", "spec": QUICK}, headers={"Idempotency-Key": "t"}
        )
    there = f"/v1/tasks/{task['id']}"
    assert call("PATCH", there, json={"spec": {"labels": {"k": "t"}}})["version"] == 2
    assert call("PATCH", there, json={"schedule": {"cron": "@daily"}})["schedule"]["next"]
    hook = call("POST", f"{there}/webhook", json={})
    for _ in range(2):
        call("POST", hook["path"], content=b"anything", headers={"Webhook-Id": "documented"})
    assert call("GET", there)["webhook"]["lastDeliveryAt"]
    call("DELETE", f"{there}/webhook")
    for path in ("/v1/tasks", there, f"{there}/versions"):
        call("GET", path)
    call("GET", f"/v1/runs/{call('POST', f'{there}/trigger', json={})['id']}/wait")
    call("DELETE", there)
    call("DELETE", f"/v1/runs/{slow['id']}")
    call("DELETE", "/v1/volumes/documented")
    call("DELETE", "/v1/secrets/DOCUMENTED")
    webhook = call("POST", "/v1/webhooks", json={"url": "http://127.0.0.1:1/", "events": ["*"]})
    here = f"/v1/webhooks/{webhook['id']}"
    delivery = f"{here}/deliveries/{call('POST', f'{here}/test')['id']}"
    for path in ("/v1/webhooks", here, f"{here}/deliveries?status=failed&limit=1", delivery):
        call("GET", path)
    call("POST", f"{delivery}/redeliver")
    call("POST", f"{here}/rotate")
    call("PATCH", here, json={"enabled": False})
    call("POST", f"{here}/test")
    call("DELETE", here)
    call("GET", "/v1/audit?action=webhook&limit=2")
    succeeded = {(method, path) for method, path, status in call.seen if status < 300}
    assert succeeded == OPERATIONS.keys()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_refusal_is_as_the_document_says(method: str, path: str, call: Checked) -> None:
    here = re.sub(r"{\w+}", "nothing", path)
    call(method, f"{here}?colour=red")
    call(method, here, headers={"Runsd-Project": "secret"})
    if "{token}" in path:  # nobody learns what it takes who does not know one
        assert call(method, here, content=b"x")["code"] == "not_found"
    elif "requestBody" in OPERATIONS[method, path]:
        (media,) = OPERATIONS[method, path]["requestBody"]["content"]
        its_type = {"Content-Type": media}
        call(method, here, content=b"{", headers=its_type)
        call(method, here, content=b"[]", headers=its_type)
        call(method, here, content=b"x", headers={"Content-Type": "text/plain"})
        call(method, here, content=b" " * 11 * 1024**2, headers=its_type)
        unreadable = {400} if media == "application/json" else set()
        assert {413, 415, 422, 404} | unreadable <= {status for *_, status in call.seen}
    assert {404, 422} <= {status for *_, status in call.seen}
