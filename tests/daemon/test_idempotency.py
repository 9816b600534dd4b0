"""A request that is sent twice makes one run, and a batch makes all of its runs or none."""

import threading
from typing import Any

import httpx2
import pytest
from runsd_sdk import Conflict

from tests.daemon.harness import Daemon


def test_the_same_key_and_body_answer_the_same_run(daemon: Daemon) -> None:
    first = post(daemon, body(daemon), key="once")
    again = post(daemon, body(daemon), key="once")
    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == again.headers["Location"] == f"/v1/runs/{first.json()['id']}"
    assert first.json()["id"] == again.json()["id"]
    daemon.client.wait(first.json()["id"], 30)


def test_the_same_key_outlives_a_restart(daemon: Daemon) -> None:
    first = post(daemon, body(daemon), key="lasting")
    daemon.restart()
    again = post(daemon, body(daemon), key="lasting")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


def test_the_same_key_with_another_body_is_refused(daemon: Daemon) -> None:
    first = post(daemon, body(daemon), key="taken")
    other = post(daemon, {**body(daemon), "name": "other"}, key="taken")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert other.headers["content-type"].startswith("application/problem+json")
    assert count(daemon, name="other") == 0
    daemon.client.wait(first.json()["id"], 30)


def test_one_key_sent_by_many_at_once_makes_one_run(daemon: Daemon) -> None:
    together = threading.Barrier(5)
    answers: list[httpx2.Response] = []

    def send() -> None:
        together.wait(10)
        answers.append(post(daemon, {**body(daemon), "name": "raced"}, key="raced"))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(daemon, name="raced") == 1


def test_without_a_key_two_requests_make_two_runs(daemon: Daemon) -> None:
    one, two = (post(daemon, body(daemon)).json()["id"] for _ in range(2))
    assert one < two


def test_a_batch_is_replayed_as_a_whole(daemon: Daemon) -> None:
    specs = [daemon.spec("true", name=f"part {n}") for n in range(3)]
    first = daemon.client.create_batch(specs, idempotency_key="batch")
    again = daemon.client.create_batch(specs, idempotency_key="batch")
    assert [handle.id for handle in again] == [handle.id for handle in first]
    with pytest.raises(Conflict):
        daemon.client.create_batch(specs[:2], idempotency_key="batch")


@pytest.mark.parametrize(
    ("wrong", "loc"),
    [
        ({"resources": {"requests": {"cpu": "900"}}}, ["runs", 1, "resources", "requests", "cpu"]),
        (
            {"volumeMounts": [{"volumeId": "no", "mountPath": "/v"}]},
            ["runs", 1, "volumeMounts", 0, "volumeId"],
        ),
        ({"timeoutSeconds": 0}, ["runs", 1, "timeoutSeconds"]),
    ],
)
def test_a_batch_with_one_bad_run_makes_none(daemon: Daemon, wrong: dict[str, Any], loc: list[Any]) -> None:
    good = {**body(daemon), "name": "all or none"}
    answer = daemon.http.post("/v1/runs/batch", json={"runs": [good, {**good, **wrong}, good]})
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [loc]
    assert count(daemon, name="all or none") == 0


def body(daemon: Daemon) -> dict[str, Any]:
    return {"image": daemon.image, "command": ["true"], "network": "none"}


def post(daemon: Daemon, spec: dict[str, Any], *, key: str | None = None) -> httpx2.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return daemon.http.post("/v1/runs", json=spec, headers=headers)


def count(daemon: Daemon, *, name: str) -> int:
    return len(daemon.client.list(name=name).data)
