"""Who did what, when and from where: every route that changes something, every kind of caller, a crash."""

import asyncio
import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from runsd_sdk import AsyncRunsClient, AuditEntry, Conflict, Forbidden, RunsClient

from runsd.api.routes import ROUTES
from runsd.faults import Step
from tests.api import member
from tests.api.tcp import ANY_PORT, address, ask
from tests.conftest import Serve
from tests.daemon.command import answer
from tests.daemon.harness import ENDED_S, Daemon, eventually

ACTIONS = {
    "run.create", "run.change", "run.delete", "run.cancel", "run.rerun", "volume.create", "volume.delete",
    "secret.set", "secret.delete", "webhook.create", "webhook.change", "webhook.delete", "webhook.rotate",
    "webhook.test", "webhook.redeliver", "source.create", "key.create", "key.delete", "project.create",
    "project.change", "project.delete", "task.create", "task.change", "task.delete", "task.trigger",
    "hook.create", "hook.delete", "hook.receive",
}  # fmt: skip
"""The words that are stored: whoever filters by them relies on them."""

TAR = tarfile.TarInfo("empty.py").tobuf() + bytes(1024)
SPEC: dict[str, Any] = {"image": "runsd/busybox:1", "network": "none", "command": ["true"]}
HUSH = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve(**ANY_PORT, RUNSD_WEBHOOKS__ALLOW="127.0.0.1") as daemon:
        yield daemon


def seen(daemon: Daemon) -> set[str]:
    """Return the ids of the entries so far."""
    return {entry.id for entry in daemon.client.audit()}


def told(entries: "list[AuditEntry]") -> list[tuple[str, str | None]]:
    """Return actions and objects, the oldest first."""
    return [(entry.action, entry.object) for entry in reversed(entries)]


def test_every_route_that_changes_something_has_a_word() -> None:
    assert {route.action for route in ROUTES} - {None} == ACTIONS
    assert all((route.action is None) is (route.method == "GET" or not route.noted) for route in ROUTES)


def test_whatever_is_changed_is_noted_once_with_what_it_is_about(daemon: Daemon) -> None:
    before = seen(daemon)
    made = daemon.client.projects.create("walked")
    daemon.client.projects.set_members("walked", ["root"])
    with RunsClient(f"unix://{daemon.socket}", project="walked") as client:
        run = client.create(**SPEC)
        run.wait(ENDED_S)
        assert client.cancel(run.id).status.terminal
        first, second = client.create_batch([SPEC, SPEC], idempotency_key="same")
        assert client.create_batch([SPEC, SPEC], idempotency_key="same")[0].id == first.id
        client.relabel(run.id, {"k": "v"})
        again = client.rerun(run.id, command=["sleep", "600"], stop_grace_seconds=0)
        client.cancel(again.id)
        again.wait(ENDED_S)
        client.delete(run.id)
        volume = client.volumes.create("cache")
        client.volumes.delete("cache")
        client.secrets.set("TOKEN", HUSH)
        client.secrets.delete("TOKEN")
        webhook = client.webhooks.create("http://127.0.0.1:9/", events=["run.finished"])
        client.webhooks.update(webhook.id, description=HUSH)
        tested = client.webhooks.test(webhook.id)
        client.webhooks.redeliver(webhook.id, tested.id)
        client.webhooks.rotate(webhook.id)
        client.webhooks.delete(webhook.id)
        headers = {"Content-Type": "application/x-tar", "Runsd-Project": "walked"}
        sources = [daemon.http.post("/v1/sources", content=TAR, headers=headers).json() for _ in range(2)]
        key = client.keys.create("laptop")
        client.keys.delete(key.id)
        task = client.tasks.create("nightly", **SPEC)
        client.tasks.edit("nightly", rename="daily")
        triggered = client.tasks.trigger("daily")
        hook = client.tasks.open_hook("daily")
        headers = {"webhook-id": "same"}
        received = [daemon.http.post(hook.path, headers=headers).json()["runId"] for _ in range(2)]
        client.tasks.close_hook("daily")
        client.tasks.delete("daily")
        for id in (first.id, second.id, triggered.id, received[0]):
            client.wait(id, ENDED_S)
        daemon.client.projects.delete(made.name)
    entries = [entry for entry in daemon.client.audit() if entry.id not in before]
    assert told(entries) == [
        ("project.create", "walked"), ("project.change", "walked"), ("run.create", run.id),
        ("run.create", first.id), ("run.change", run.id), ("run.rerun", again.id), ("run.cancel", again.id),
        ("run.delete", run.id), ("volume.create", volume.id), ("volume.delete", volume.id),
        ("secret.set", "TOKEN"), ("secret.delete", "TOKEN"), ("webhook.create", webhook.id),
        ("webhook.change", webhook.id), ("webhook.test", webhook.id), ("webhook.redeliver", webhook.id),
        ("webhook.rotate", webhook.id), ("webhook.delete", webhook.id), ("source.create", sources[0]["id"]),
        ("key.create", key.id), ("key.delete", key.id), ("task.create", task.id), ("task.change", task.id),
        ("task.trigger", triggered.id), ("hook.create", task.id), ("hook.receive", received[0]),
        ("hook.delete", task.id), ("task.delete", task.id), ("project.delete", "walked"),
    ]  # fmt: skip
    assert {entry.action for entry in entries} == ACTIONS
    assert {(e.who, e.name, e.address, e.project, e.result) for e in entries} == {
        ("uid 0", "root", "unix", "walked", "done"),
        (f"hook {task.id}", None, "unix", "walked", "done"),
    }  # fmt: skip
    assert [entry.count for entry in entries if entry.object == first.id] == [2]
    text = json.dumps([entry.wire() for entry in entries])
    assert HUSH not in text
    assert key.token not in text
    assert hook.token not in text
    first_time, last_time = entries[-1].time, entries[0].time
    timely = list(daemon.client.audit(since=first_time, until=last_time, action="run.cancel"))
    assert [entry.object for entry in timely] == [again.id]
    assert list(daemon.client.audit(since=last_time, action="run.cancel")) == []


def test_who_it_was_and_from_where(daemon: Daemon) -> None:
    daemon.client.projects.create("team", members=[member.SOMEBODY])
    with RunsClient(f"unix://{daemon.socket}", project="team") as owner:
        admin, read = owner.keys.create("laptop", access="admin"), owner.keys.create("ci", access="read")
        spec, secret = SPEC, {"value": HUSH}
        ((made, run), (refused, _), (unknown, _)) = member.ask(
            daemon,
            ("POST", "/v1/runs", "team", spec),
            ("POST", "/v1/keys", "team", {"name": "mine"}),
            ("PUT", "/v1/secrets/X", "nothing", secret),
        )
        assert (made, refused, unknown) == (201, 403, 404)
        owner.wait(run["id"], ENDED_S)
        where = address(daemon)
        for _ in range(3):
            assert ask(where, "PUT", "/v1/secrets/X", token=read.token, json=secret).status_code == 403
        assert ask(where, "PUT", "/v1/secrets/X", token="rk_wrong", json=secret).status_code == 401
        deleted = ask(where, "DELETE", f"/v1/runs/{run['id']}", token=admin.token, source="127.0.0.7")
        assert deleted.status_code == 204

        somebody = f"uid {member.SOMEBODY}"
        seen = {
            (e.who, e.name, e.address, e.action, e.object, e.count, e.result)
            for e in owner.audit(action="run")
        }
        assert seen == {
            (somebody, None, "unix", "run.create", run["id"], 1, "done"),
            (f"key {admin.id}", "laptop", "127.0.0.7", "run.delete", run["id"], 1, "done"),
        }
        (tried,) = owner.audit(who="ci")
        assert (tried.who, tried.address, tried.action) == (f"key {read.id}", "127.0.0.1", "secret.set")
        assert (tried.object, tried.result, tried.count) == (None, "refused", 3)
        assert {(e.action, e.result) for e in owner.audit(who=str(member.SOMEBODY))} == {
            ("run.create", "done"), ("key.create", "refused"),
        }  # fmt: skip
        assert [e.who for e in owner.audit(who=admin.id)] == [f"key {admin.id}"]
        assert list(owner.audit(who="nobody at all")) == []

        async def asked() -> list[AuditEntry]:
            async with AsyncRunsClient(f"http://{where}", api_key=admin.token) as client:
                return [entry async for entry in client.audit()]

        with RunsClient(f"unix://{daemon.socket}", project="default") as default:
            default.secrets.set("Y", HUSH)
        of_team = asyncio.run(asked())
        assert of_team == list(owner.audit())
        assert {entry.project for entry in of_team} == {"team"}
        assert {entry.project for entry in daemon.client.audit()} >= {"team", "default"}
        shown = answer(daemon, "audit", "--who", "laptop", "-n", "1").splitlines()[-1]
        assert shown.endswith(f"key {admin.id} (laptop)  127.0.0.7  run.delete  team     {run['id']}  done")
        listed = json.loads(answer(daemon, "audit", "--json", "--action", "secret", "-n", "1"))
        assert [entry["object"] for entry in listed] == ["Y"]
        with RunsClient(f"http://{where}", api_key=read.token) as client, pytest.raises(Forbidden):
            list(client.audit())
        for key in (admin, read):
            owner.keys.delete(key.id)


def test_a_new_project_is_told_nothing_of_another_that_had_its_name(daemon: Daemon) -> None:
    before = seen(daemon)
    daemon.client.projects.create("again")
    daemon.client.projects.delete("again")

    def free() -> bool:
        with suppress(Conflict):
            daemon.client.projects.create("again")
            return True
        return False

    assert eventually(free)  # the last of what it had is forgotten
    with RunsClient(f"unix://{daemon.socket}", project="again") as owner:
        token = owner.keys.create("laptop", access="admin").token
    found = ask(address(daemon), "GET", "/v1/audit", token=token).json()["data"]
    assert [entry["action"] for entry in found] == ["key.create", "project.create"]
    everything = [e for e in daemon.client.audit(action="project") if e.id not in before]
    assert [entry.action for entry in everything] == ["project.create", "project.delete", "project.create"]


def test_killed_around_the_write_the_change_is_there_if_its_entry_is(serve: Serve) -> None:
    with serve(**ANY_PORT, RUNSD_FAULT=f"before:{Step.SUBMIT}") as daemon:
        key = daemon.client.keys.create("ci", access="read")
        daemon.asked_to_death("POST", "/v1/runs", json=SPEC)
        daemon.start(RUNSD_FAULT=f"after:{Step.SUBMIT}")
        assert (list(daemon.client.iterate()), list(daemon.client.audit(action="run"))) == ([], [])
        daemon.asked_to_death("POST", "/v1/runs", json=SPEC)
        daemon.start(RUNSD_FAULT=f"after:{Step.AUDIT}")
        (run,), (entry,) = daemon.client.iterate(), daemon.client.audit(action="run")
        assert (entry.object, entry.result) == (run.id, "done")
        assert ask(address(daemon), "PUT", "/v1/secrets/X", token=key.token, json={}).status_code == 403
        daemon.await_death()
        daemon.start(RUNSD_FAULT="")
        assert [entry.result for entry in daemon.client.audit(action="secret")] == ["refused"]
