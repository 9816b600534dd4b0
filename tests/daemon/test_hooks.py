"""Hooks through a daemon: opened, called from outside, once for each delivery, with what came."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from runsd_sdk import NewHook, NotFound, ProjectLimits, RunResult, Unprocessable

from runsd.faults import VARIABLE
from tests.conftest import Serve
from tests.daemon.command import answer
from tests.daemon.harness import ENDED_S, Daemon

SHOW = 'cat /run/runsd/webhook.json; echo; echo "$RUNSD_WEBHOOK_BODY"'
DELIVERY = "delivery"  # the step at which the daemon is killed


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve() as daemon:
        daemon.client.tasks.create("hooked", **daemon.spec("sh", "-c", SHOW))
        yield daemon


@pytest.fixture(scope="module")
def hook(daemon: Daemon) -> str:
    return daemon.client.tasks.open_hook("hooked").path


def call(daemon: Daemon, path: str, body: bytes, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return daemon.http.post(path, content=body, headers=named)


def result(daemon: Daemon, answered: httpx2.Response) -> RunResult:
    assert answered.status_code in (200, 201), answered.text
    assert answered.json().keys() == {"runId"}  # what is behind the address is not for whoever knows it
    daemon.client.wait(answered.json()["runId"], ENDED_S)
    return daemon.client.result(answered.json()["runId"])


def test_what_comes_reaches_the_run_as_a_file_and_as_a_variable(daemon: Daemon, hook: str) -> None:
    body = json.dumps({"ref": "refs/heads/main", "who": "Zoë 'quoted' $HOME"}, ensure_ascii=False)
    ended = result(daemon, call(daemon, hook, body.encode()))
    assert ended.stdout == f"{body}\n{body}\n"
    assert (ended.trigger, ended.name, ended.task_version) == ("webhook", "hooked", 1)
    again = daemon.client.rerun(ended.id).wait(ENDED_S)
    assert (again.stdout, again.trigger) == (ended.stdout, "rerun")
    assert daemon.client.tasks.trigger("hooked").wait(ENDED_S).stdout == "\n\n"
    task = daemon.client.tasks.get("hooked")
    assert task.webhook is not None and task.webhook.last_delivery_at is not None


def test_headers_that_say_what_a_delivery_is_about_reach_the_run_and_no_others(daemon: Daemon) -> None:
    show = 'cat /run/runsd/webhook-headers.json; echo; echo "$RUNSD_WEBHOOK_HEADERS"'
    path = daemon.client.tasks.create("headers", webhook=True, **daemon.spec("sh", "-c", show)).webhook
    assert isinstance(path, NewHook)
    told = {
        "content-type": "application/json", "user-agent": "GitHub-Hookshot/1", "x-github-event": "push",
        "x-github-delivery": "1", "x-event-key": "caf\N{REPLACEMENT CHARACTER}",
    }  # fmt: skip
    others = {
        "Authorization": "Bearer t", "Cookie": "c=t", "X-Hub-Signature-256": "t", "X-Gitlab-Token": "t",
        "Webhook-Signature": "t", "X-Hook-Secret": "t", "X-Unheard-Of": "t", "X-Long-Event": "t" * 1025,
    }  # fmt: skip
    headers: Any = [*{**told, **others, "x-event-key": b"caf\xff"}.items()]
    ended = result(daemon, daemon.http.post(path.path, content=b"{}", headers=headers))
    file, variable = (json.loads(line) for line in ended.stdout.splitlines())
    assert file == variable == told
    assert daemon.client.rerun(ended.id).wait(ENDED_S).stdout == ended.stdout
    daemon.client.tasks.delete("headers")


@pytest.mark.parametrize("body", [b"", b"\xff\x00 no text", b"x" * 40_000], ids=["empty", "bytes", "large"])
def test_whatever_bytes_come_are_in_the_file(daemon: Daemon, hook: str, body: bytes) -> None:
    ended = result(daemon, call(daemon, hook, body))
    assert daemon.raw(ended.id) == body + b"\n\n"


def test_too_much_is_refused_and_leaves_nothing(daemon: Daemon, hook: str) -> None:
    before = [run.id for run in daemon.client.iterate(task="hooked")]
    assert call(daemon, hook, b"x" * (1024**2 + 1)).status_code == 413
    assert [run.id for run in daemon.client.iterate(task="hooked")] == before


def test_a_delivery_that_is_made_again_makes_no_second_run(daemon: Daemon, hook: str) -> None:
    with ThreadPoolExecutor(8) as hands:
        calls = [hands.submit(call, daemon, hook, b"{}", X_GitHub_Delivery="one") for _ in range(8)]
        answers = [made.result() for made in calls]
    assert sorted(made.status_code for made in answers) == [200] * 7 + [201]
    assert len({made.json()["runId"] for made in answers}) == 1
    other = call(daemon, hook, b"{}", X_GitHub_Delivery="two")
    assert other.status_code == 201
    for made in (answers[0], other):
        result(daemon, made)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_as_it_takes_a_delivery_the_daemon_makes_one_run_of_it_and_its_repetition(
    daemon: Daemon, when: str
) -> None:
    path = daemon.client.tasks.open_hook("hooked").path
    daemon.ensure_down()
    daemon.start(**{VARIABLE: f"{when}:{DELIVERY}"})
    before = {run.id for run in daemon.client.iterate(task="hooked")}
    daemon.asked_to_death("POST", path, content=b"{}", headers={"Webhook-Id": f"killed {when}"})
    daemon.start()
    made = call(daemon, path, b"{}", Webhook_Id=f"killed {when}")
    assert made.status_code == (201 if when == "before" else 200)
    assert {run.id for run in daemon.client.iterate(task="hooked")} - before == {made.json()["runId"]}
    assert result(daemon, made).stdout == "{}\n{}\n"


def test_what_came_is_there_though_the_daemon_was_killed_before_it_started_the_container(
    daemon: Daemon,
) -> None:
    path = daemon.client.tasks.open_hook("hooked").path
    daemon.ensure_down()
    daemon.start(**{VARIABLE: "before:start"})
    headers = {"Webhook-Id": "killed at start"}
    with suppress(httpx2.TransportError):
        daemon.http.post(path, content=b"kept", headers=headers)
    daemon.await_death()
    daemon.start()
    assert result(daemon, call(daemon, path, b"kept", Webhook_Id="killed at start")).stdout == "kept\nkept\n"


def test_a_signed_hook_takes_what_is_signed_alone(daemon: Daemon) -> None:
    daemon.client.secrets.set("SIGNING", "very hush")
    path = daemon.client.tasks.open_hook("hooked", secret="SIGNING").path
    body = b'{"signed": true}'
    good = f"sha256={hmac.digest(b'very hush', body, hashlib.sha256).hex()}"
    for headers in ({}, {"X-Hub-Signature-256": good[:-1] + ("0" if good[-1] != "0" else "1")}):
        refused = daemon.http.post(path, content=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "unsigned")
    assert call(daemon, path, body + b" ", X_Hub_Signature_256=good).status_code == 401
    assert result(daemon, call(daemon, path, body, X_Hub_Signature_256=good)).stdout.startswith('{"signed')
    daemon.client.secrets.delete("SIGNING")
    assert call(daemon, path, body, X_Hub_Signature_256=good).status_code == 503
    with pytest.raises(Unprocessable, match="no secret"):
        daemon.client.tasks.open_hook("hooked", secret="SIGNING")


def test_a_token_is_told_once_and_kept_nowhere(daemon: Daemon) -> None:
    task = daemon.client.tasks.create("secretive", webhook=True, **daemon.spec("true"))
    told: Any = task.webhook
    assert told.path == f"/v1/hooks/{told.token}" and len(told.token) > 40
    assert result(daemon, call(daemon, told.path, b"{}")).exit_code == 0
    assert told.token not in daemon.http.get("/v1/tasks/secretive").text
    for file in (daemon.directory / "log", *(daemon.directory / "data").glob("*.db*")):
        assert told.token.encode() not in file.read_bytes(), file
    second = daemon.client.tasks.open_hook("secretive")
    assert call(daemon, told.path, b"{}").status_code == 404
    assert result(daemon, call(daemon, second.path, b"{}")).exit_code == 0
    daemon.client.tasks.close_hook("secretive")
    assert call(daemon, second.path, b"{}").status_code == 404
    with pytest.raises(NotFound):
        daemon.client.tasks.close_hook("secretive")
    daemon.client.tasks.delete("secretive")


def test_whoever_knows_the_address_does_not_learn_what_is_behind_it(daemon: Daemon) -> None:
    volume = daemon.client.volumes.create("behind")
    mounts = [{"volumeId": "behind", "mountPath": "/v"}]
    daemon.client.tasks.create("broken", volume_mounts=mounts, **daemon.spec("true"))
    path = daemon.client.tasks.open_hook("broken").path
    daemon.client.volumes.delete(volume.id)
    refused = call(daemon, path, b"{}")
    assert (refused.status_code, refused.json()["code"]) == (409, "task_refused")
    assert "behind" not in refused.text
    daemon.client.tasks.delete("broken")
    assert call(daemon, path, b"{}").status_code == 404


def test_what_comes_while_the_project_has_no_room_is_sent_again(daemon: Daemon) -> None:
    hook = daemon.client.tasks.open_hook("hooked").path
    daemon.client.projects.set_limits("default", ProjectLimits(queued=0))
    refused = call(daemon, hook, b"{}", Webhook_Id="no room")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert "queued" not in refused.text and "send it again" in refused.json()["detail"]
    daemon.client.projects.set_limits("default", ProjectLimits())
    made = call(daemon, hook, b"{}", Webhook_Id="no room")
    assert made.status_code == 201
    result(daemon, made)


def test_the_command_opens_and_closes_hooks(daemon: Daemon) -> None:
    path = answer(daemon, "task", "hook", "hooked").strip()
    assert path.startswith("/v1/hooks/hook_")
    assert "unsigned" in answer(daemon, "task", "show", "hooked")
    assert answer(daemon, "task", "unhook", "hooked") == "hooked\n"
    assert call(daemon, path, b"{}").status_code == 404
