"""Whatever the document allows or forbids, every route answers as it says and never fails."""

import itertools
import tarfile
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest
import requests
import schemathesis
from docker.transport import UnixHTTPAdapter
from schemathesis import checks
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks as openapi_checks

from runsd.api.openapi import document
from tests.api.tcp import ANY_PORT, address
from tests.conftest import Serve
from tests.daemon.harness import Daemon

EXAMPLES = 15
EXAMPLES_OVER_TCP = 1
# Nothing listens there: a run with this image has failed at once, without a container.
NO_IMAGE = "localhost:1/none:1"
NO_RECEIVER = "http://127.0.0.1:1/"
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
for media in ("application/x-tar", "*/*"):
    schemathesis.serializer.alias(media, "application/octet-stream")


def described(examples: int) -> Any:
    generation = {"max-examples": examples, "deterministic": True, "database": "none"}
    config = SchemathesisConfig.from_dict({"generation": generation})
    return schemathesis.openapi.from_dict(document(), config=config)


schema, schema_over_tcp = described(EXAMPLES), described(EXAMPLES_OVER_TCP)


class Target:
    """A daemon, asked as generated and once more about things that exist."""

    def __init__(self, daemon: Daemon, session: requests.Session) -> None:
        self._daemon = daemon
        self._session = session
        self._base_url = "http://runsd"
        self._names = (f"v{n}" for n in itertools.count())
        self._made: dict[str, str] = {}

    def over(self, session: requests.Session, base_url: str) -> "Target":
        """Return the same, asked in another way."""
        other = copy(self)
        other._session, other._base_url = session, base_url
        return other

    def hold(self, case: "schemathesis.Case[Any]") -> None:
        """Hold the answers to a case against the document."""
        self._ask(case)
        case.headers.pop("Idempotency-Key", None)  # what follows is another request
        if _without_project(case):  # nearly any other is unknown, and nothing else is looked at
            self._ask(case)
        if case.path_parameters and "id" in case.path_parameters:
            case.path_parameters = self._real_ids(case)
            self._ask(case)
            return
        if case.path_parameters and "token" in case.path_parameters:
            case.path_parameters = {"token": self._token()}
            self._ask(case)
            return
        body: Any = case.body
        if isinstance(body, dict) and "image" in body:
            case.body = self._runnable(body)
            self._ask(case)
        elif isinstance(body, dict) and isinstance(body.get("runs"), list):
            case.body = {"runs": [self._runnable(run) for run in body["runs"]]}
            self._ask(case)

    def _ask(self, case: "schemathesis.Case[Any]") -> None:
        case.validate_response(self.answer(case), checks=CHECKS)

    def answer(self, case: "schemathesis.Case[Any]") -> Any:
        """Return the answer to a case as it is."""
        return case.call(base_url=self._base_url, session=self._session, timeout=30)

    def _runnable(self, run: Any) -> Any:
        return {**run, "image": NO_IMAGE} if isinstance(run, dict) else run

    def _real_ids(self, case: "schemathesis.Case[Any]") -> dict[str, str]:
        ids = {"id": self._real(case)}
        if "delivery" in case.path_parameters:
            self._daemon.client.webhooks.update(ids["id"], url=NO_RECEIVER, enabled=True)
            ids["delivery"] = self._daemon.client.webhooks.test(ids["id"]).id
        return ids

    def _real(self, case: "schemathesis.Case[Any]") -> str:
        noun = case.path.split("/")[2]
        if case.method == "DELETE":
            self._made.pop(noun, None)
        if noun not in self._made:
            make = {
                "runs": self._run,
                "volumes": self._volume,
                "sources": self._source,
                "keys": self._key,
                "tasks": self._task,
                "webhooks": lambda: self._daemon.client.webhooks.create(NO_RECEIVER).id,
            }
            self._made[noun] = make[noun]()
        return self._made[noun]

    def _run(self) -> str:
        handle = self._daemon.client.create(image=NO_IMAGE)
        assert handle.wait(30).reason == "image_pull_failed"
        return handle.id

    def _source(self) -> str:
        content = tarfile.TarInfo("empty.py").tobuf() + bytes(1024)
        answer = self._daemon.http.post(
            "/v1/sources", content=content, headers={"Content-Type": "application/x-tar"}
        )
        return str(answer.json()["id"])

    def _key(self) -> str:
        return self._daemon.client.keys.create("fuzz").id

    def _volume(self) -> str:
        return self._daemon.client.volumes.create(next(self._names)).id

    def _token(self) -> str:
        if "tokens" not in self._made:
            self._made["tokens"] = self._daemon.client.tasks.open_hook(self._task()).token
        return self._made["tokens"]

    def _task(self) -> str:
        return self._daemon.client.tasks.create(next(self._names), image=NO_IMAGE).id


def _without_project(case: "schemathesis.Case[Any]") -> bool:
    header, parameter = case.headers.pop("Runsd-Project", None), (case.query or {}).pop("project", None)
    return header is not None or parameter is not None


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    settings = {"RUNSD_IMAGES__ALLOW": "localhost:1/*", "RUNSD_WEBHOOKS__ALLOW": "127.0.0.1"}
    with serve(**settings, **ANY_PORT) as daemon:
        yield daemon
        for volume in daemon.client.volumes.list():
            for run in daemon.client.iterate(status=["pending", "running"]):
                daemon.client.cancel(run.id)
            daemon.client.volumes.delete(volume.id)


@pytest.fixture(scope="module")
def target(daemon: Daemon) -> Iterator[Target]:
    with requests.Session() as session:
        session.mount("http://", UnixHTTPAdapter(f"http+unix://{daemon.socket}"))
        yield Target(daemon, session)


@pytest.fixture(scope="module")
def over_tcp(daemon: Daemon, target: Target) -> Iterator[Target]:
    """Somebody with a key; tests/api/test_keys.py shows what every route says to others."""
    token = daemon.client.keys.create("fuzz", access="write").token
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield target.over(session, f"http://{address(daemon)}")


@schema.parametrize()
def test_every_route_answers_as_the_document_says(case: "schemathesis.Case[Any]", target: Target) -> None:
    target.hold(case)


@schema_over_tcp.parametrize()
def test_over_tcp_a_key_is_answered_as_the_document_says(
    case: "schemathesis.Case[Any]", over_tcp: Target
) -> None:
    case.headers.pop("Authorization", None)
    over_tcp.hold(case)
