"""Projects over HTTP: of another project nothing can be seen, guessed, counted or touched."""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from runsd_sdk import NotFound, RunsClient
from runsd_sdk.project import Member

from runsd.api.routes import ROUTES, Route
from tests.api.bodies import body
from tests.api.member import SOMEBODY, ask
from tests.api.problem import refused
from tests.conftest import Serve
from tests.daemon.command import answer, runs
from tests.daemon.harness import ENDED_S, Daemon, eventually

TAR = tarfile.TarInfo("empty.py").tobuf() + bytes(1024)
SPEC: dict[str, Any] = {"image": "runsd/busybox:1", "network": "none"}
WITH_ID = [route for route in ROUTES if "{id}" in route.path]


@dataclass(frozen=True, slots=True)
class Theirs:
    """What another project has: one of everything that has an id."""

    ids: dict[str, str]
    live: str


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon for a team."""
    with serve() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def theirs(daemon: Daemon) -> Iterator[Theirs]:
    """Everything that has an id, of a project that others use."""
    daemon.client.projects.create("theirs")
    with RunsClient(f"unix://{daemon.socket}", project="theirs") as client:
        volume = client.volumes.create("cache", labels={"k": "v"})
        mounts = [{"volumeId": "cache", "mountPath": "/data"}]
        over = client.create(
            command=["sh", "-c", "echo secret"], name="job", labels={"k": "v"},
            idempotency_key="same", volume_mounts=mounts, **SPEC,
        )  # fmt: skip
        assert over.wait(ENDED_S).exit_code == 0
        live = client.create(command=["sleep", "600"], stop_grace_seconds=0, **SPEC)
        daemon.http.get(f"/v1/runs/{live.id}", headers=of("theirs"))
        headers = {"Content-Type": "application/x-tar", **of("theirs")}
        source = daemon.http.post("/v1/sources", content=TAR, headers=headers)
        ids = {"runs": over.id, "volumes": volume.id, "sources": source.json()["id"]}
        webhook = client.webhooks.create("https://example.org/told")
        ids |= {"keys": client.keys.create("ci").id, "webhooks": webhook.id}
        ids["tasks"] = client.tasks.create("saved", webhook=True, **SPEC).id
        yield Theirs(ids, live.id)
        client.tasks.delete("saved")
        client.webhooks.delete(webhook.id)
        live.cancel()
        live.wait(ENDED_S)
        client.volumes.delete("cache")
        client.delete(over.id)
        daemon.client.projects.delete("theirs")


def of(project: str) -> dict[str, str]:
    return {"Runsd-Project": project}


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def asked(daemon: Daemon, route: Route, id: str) -> httpx2.Response:
    path = re.sub(r"\{\w+\}", "x", route.path.replace("{id}", id))
    return daemon.http.request(route.method, path, json=body(route))


@pytest.mark.parametrize("route", WITH_ID, ids=name)
def test_the_id_of_another_project_is_as_unknown_as_one_of_nothing(
    route: Route, daemon: Daemon, theirs: Theirs
) -> None:
    noun = route.path.split("/")[2]
    id = theirs.ids[noun]
    nothing = id[:-3] + "zzz" if noun != "sources" else id[:-3] + "000"
    answers = [asked(daemon, route, each) for each in (id, nothing)]
    problems = [refused(each, 404).wire() for each in answers]
    problems[0]["detail"] = problems[0]["detail"].replace(id, nothing)
    assert problems[0] == problems[1]
    if noun == "runs":
        refused(asked(daemon, route, theirs.live), 404)


def test_what_is_listed_and_counted_is_the_projects_own(daemon: Daemon, theirs: Theirs) -> None:
    client = daemon.client
    assert client.list(label={"k": "v"}).data == client.list(name="job").data == client.list().data == []
    assert client.volumes.list() == []
    assert list(client.events()) == []
    assert client.usage().runs == 0
    queue = client.queue()
    assert (queue.running, queue.waiting, queue.live, queue.queued) == ([], [], 0, 0)
    info = client.info()
    assert (info.project, info.live, info.queued, info.in_use.cpu_milli) == ("default", 0, 0, 0)
    with RunsClient(f"unix://{daemon.socket}", project="theirs") as other:
        assert {run.id for run in other.iterate()} == {theirs.ids["runs"], theirs.live}
        assert (other.info().live, other.usage().runs) == (1, 1)
        assert [run.id for run in other.queue().running] == [theirs.live]
        assert {event.project for event in other.events()} == {"theirs"}
    assert daemon.http.get("/v1/runs", params={"project": "theirs"}).json()["data"] != []
    assert daemon.http.get("/v1/usage", params={"project": "theirs"}).json()["runs"] == 1


def test_nothing_of_another_project_is_used(daemon: Daemon, theirs: Theirs) -> None:
    for volume in ("cache", theirs.ids["volumes"]):
        mounts = [{"volumeId": volume, "mountPath": "/data"}]
        answer = daemon.http.post("/v1/runs", json={**SPEC, "volumeMounts": mounts})
        assert "there is no volume" in refused(answer, 422).errors[0].msg
    program = {"python": {"entrypoint": {"file": "empty.py"}}, "source": {"upload": theirs.ids["sources"]}}
    answer = daemon.http.post("/v1/runs", json=program)
    assert "there is no source" in refused(answer, 422).errors[0].msg
    answer = daemon.http.post("/v1/runs/rerun", json={"runs": [theirs.ids["runs"]]})
    assert "there is no run" in refused(answer, 404).detail
    headers = {"Content-Type": "application/x-tar"}
    sent = daemon.http.post("/v1/sources", content=TAR, headers=headers)
    assert (sent.status_code, sent.json()["id"]) == (201, theirs.ids["sources"])
    own = daemon.client.create(command=["true"], idempotency_key="same", **SPEC)
    assert own.id != theirs.ids["runs"]
    assert own.wait(ENDED_S).exit_code == 0
    daemon.client.delete(own.id)
    volume = daemon.client.volumes.create("cache")
    assert volume.docker_name not in (theirs.ids["volumes"], None)
    daemon.client.volumes.delete("cache")


def test_a_project_is_made_shown_and_deleted_by_the_command(daemon: Daemon) -> None:
    assert answer(daemon, "project", "create", "team", "--member", "root", "--member", "54321") == "team\n"
    assert answer(daemon, "project", "ls").splitlines()[1:3] == ["default", "team     root 54321"]
    answer(daemon, "project", "remove", "team", "root")
    assert daemon.client.projects.get("team").members == [Member(uid=54321, user=None)]
    answer(daemon, "project", "add", "team", "0")
    assert "root" in answer(daemon, "project", "show", "team")
    refused = runs(daemon, "project", "create", "team")
    assert (refused.returncode, "in use" in refused.stderr) == (1, True)
    assert "no user 'nobody-at-all'" in runs(daemon, "project", "add", "team", "nobody-at-all").stderr
    assert runs(daemon, "ps", RUNSD_PROJECT="team").returncode == 0
    answer(daemon, "project", "rm", "team")
    gone = runs(daemon, "ps", RUNSD_PROJECT="team")
    assert (gone.returncode, "no project 'team'" in gone.stderr) == (3, True)
    assert eventually(lambda: runs(daemon, "project", "create", "team").returncode == 0)
    answer(daemon, "project", "rm", "team")


@pytest.mark.needs("root")
def test_another_user_of_the_socket_uses_its_projects_and_no_others(daemon: Daemon, theirs: Theirs) -> None:
    daemon.client.projects.create("team", members=[SOMEBODY])
    (own, listed, unknown, closed, default, host, make) = ask(
        daemon,
        ("GET", "/v1/info", "team", None),
        ("GET", "/v1/projects", None, None),
        ("GET", "/v1/projects/nothing", None, None),
        ("GET", "/v1/projects/theirs", None, None),
        ("GET", "/v1/runs", None, None),
        ("GET", "/metrics", None, None),
        ("POST", "/v1/projects", None, {"name": "mine"}),
    )
    assert (own[0], own[1]["project"]) == (200, "team")
    assert [project["name"] for project in listed[1]["data"]] == ["default", "team"]
    assert (unknown[0], closed[0], default[0], host[0], make[0]) == (404, 404, 200, 403, 403)
    assert closed[1]["detail"].replace("theirs", "nothing") == unknown[1]["detail"]
    routes = [(route.method, route.path.replace("{id}", theirs.ids["runs"])) for route in ROUTES]
    for status, answered in ask(daemon, *((method, path, "theirs", None) for method, path in routes)):
        assert (status, answered["code"]) == (404, "not_found")
    daemon.client.projects.set_members("team", [])
    ((status, _),) = ask(daemon, ("GET", "/v1/runs", "team", None))
    assert status == 404
    daemon.client.projects.delete("team")


def test_what_the_host_tells_about_all_is_for_those_who_may_use_all(daemon: Daemon) -> None:
    about_host = {(route.method, route.path) for route in ROUTES if route.host}
    assert about_host == {
        ("POST", "/v1/projects"),
        ("PATCH", "/v1/projects/{name}"),
        ("DELETE", "/v1/projects/{name}"),
        ("GET", "/metrics"),
    }
    with pytest.raises(NotFound):
        daemon.client.projects.get("nothing")
