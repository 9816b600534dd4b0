"""Over TCP: no key, no answer; and a key opens its own project, as far as it goes."""

import asyncio
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from runsd_sdk import AsyncRunsClient, Forbidden, NotFound, RunsClient, Unauthorized
from runsd_sdk.errors import DaemonUnreachable

from runsd.access import Access
from runsd.api.failures import MOST
from runsd.api.routes import ROUTES, Route
from tests.api.bodies import body
from tests.api.problem import refused
from tests.api.tcp import ANY_PORT, address, ask, made
from tests.conftest import Serve
from tests.daemon.command import runs
from tests.daemon.harness import ENDED_S, Daemon, closing_stream, eventually

SPEC: dict[str, Any] = {"image": "runsd/busybox:1", "network": "none", "command": ["true"]}
SOURCES = (f"127.0.{n // 250 + 1}.{n % 250 + 1}" for n in count())
"""Addresses of this host that nobody has asked from: each may be wrong some times."""


@dataclass(frozen=True, slots=True)
class Team:
    """A daemon at TCP, a project ``team`` with keys and one of everything, and a key of another project."""

    daemon: Daemon
    where: str
    tokens: dict[str, str]
    ids: dict[str, str]
    hook: str

    def path(self, route: Route) -> str:
        """Return the path of a route with the ids of what the team has."""
        noun = route.path.split("/")[2] if route.path.startswith("/v1/") else ""
        path = route.path.replace("{id}", self.ids.get(noun, "none")).replace("{name}", "team")
        return path.replace("{delivery}", "none").replace("{token}", self.hook)

    def command(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Carry out a command on the socket, for the team."""
        return runs(self.daemon, *words, RUNSD_PROJECT="team", **env)


@pytest.fixture(scope="module")
def team(serve: Serve) -> Iterator[Team]:
    """Everything once."""
    with serve(**ANY_PORT) as daemon:
        tokens = {}
        for project in ("team", "other"):
            daemon.client.projects.create(project)
        with RunsClient(f"unix://{daemon.socket}", project="other") as other:
            tokens["other"] = other.keys.create("other", access="admin").token
            other.tasks.create("hooked", **SPEC)
            hook = other.tasks.open_hook("hooked").token
        with RunsClient(f"unix://{daemon.socket}", project="team") as client:
            for access in ("read", "write", "admin"):
                tokens[access] = client.keys.create(access, access=access).token
            tokens["expired"] = client.keys.create("expired", expires_in_seconds=1).token
            run, volume = client.create(**SPEC), client.volumes.create("cache")
            run.wait(ENDED_S)
            ids = {"runs": run.id, "volumes": volume.id, "keys": client.keys.list()[0].id}
            ids["tasks"] = client.tasks.create("saved", **SPEC).id
            where = address(daemon)
            assert eventually(lambda: is_expired(where, tokens["expired"]))
            yield Team(daemon, where, tokens, ids, hook)
            client.volumes.delete("cache")


def is_expired(where: str, token: str) -> bool:
    with suppress(httpx2.RemoteProtocolError):  # it ended on the way, and the connection with it
        return ask(where, "GET", "/v1/info", token=token).status_code == 401
    return False


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_each_route_opens_to_the_keys_that_the_table_names(route: Route, team: Team) -> None:
    def asked(key: str | None, project: str | None = None, *, at: str = team.path(route)) -> int:
        token = team.tokens.get(key or "", key)
        given = {"token": token, "project": project, "json": body(route), "source": source}
        answer = ask(team.where, route.method, at, **given)
        if answer.status_code == 401:
            assert refused(answer, 401).code == "unidentified"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        return answer.status_code

    source = next(SOURCES)
    if route.access is Access.NONE:
        assert asked(None) == asked("rk_nobodys") == asked("expired", "other") == 201
        return
    right = team.tokens["admin"]
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    assert [asked(None), asked(wrong), asked("expired"), asked("expired", "team")] == [401] * 4
    assert asked("other", "team") == asked("read", "other") == asked("admin", "nothing") == 404
    if "{id}" in route.path or "/projects/" in route.path:
        assert asked("other") == (403 if route.host else 404)
    nowhere = re.sub(r"\{\w+\}", "nothing", route.path)
    for has in (Access.READ, Access.WRITE, Access.ADMIN):
        allowed = has.includes(route.access) and not route.host
        for where in (nowhere, *(() if allowed else (team.path(route),))):
            assert (asked(has.value, "team", at=where) == 403) is not allowed


def test_an_admin_of_a_project_is_nobody_elsewhere_and_on_the_host(team: Team) -> None:
    for route in ROUTES:
        if route.host:
            token = team.tokens["admin"]
            found = ask(team.where, route.method, team.path(route), token=token, json=body(route))
            assert "about the whole host" in refused(found, 403).detail
    listed = ask(team.where, "GET", "/v1/projects", token=team.tokens["admin"]).json()["data"]
    assert [project["name"] for project in listed] == ["team"]
    held = ask(team.where, "GET", "/v1/keys", token=team.tokens["admin"])
    assert {key["project"] for key in held.json()["data"]} == {"team"}
    assert not [token for token in team.tokens.values() if token in held.text]


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/v1/openapi.json"])
def test_not_even_what_there_is_is_told_without_a_key(path: str, team: Team) -> None:
    source = next(SOURCES)
    refused(ask(team.where, "GET", path, source=source), 401)
    found = ask(team.where, "GET", path, token=team.tokens["read"], source=source)
    assert found.status_code == (200 if path.endswith("json") else 404)


def test_the_clients_use_a_key_as_they_use_the_socket(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    host = f"http://{team.where}"
    with RunsClient(host, api_key=team.tokens["write"]) as client:
        result = client.create_and_wait(image="runsd/busybox:1", network="none", command=["echo", "hello"])
        assert (result.project, result.stdout) == ("team", "hello\n")
        assert [entry.text for entry in client.logs(result.id, follow=True)] == ["hello\n"]
        with pytest.raises(Forbidden, match=r"it takes admin access, and yours is write"):
            client.keys.list()
        client.delete(result.id)
    with RunsClient(host, api_key=team.tokens["other"]) as client, pytest.raises(NotFound):
        client.get(team.ids["runs"])
    with RunsClient(host) as client, pytest.raises(Unauthorized, match="without a key"):
        client.info()

    async def asked() -> None:
        async with AsyncRunsClient() as client:
            assert (await client.info()).project == "team"
            made = await client.keys.create("temporary", expires_in_seconds=3600)
            assert [await client.keys.get(made.id)] == [
                k for k in await client.keys.list() if k.id == made.id
            ]
            await client.keys.delete(made.id)

    monkeypatch.setenv("RUNSD_HOST", host)
    monkeypatch.setenv("RUNSD_API_KEY", team.tokens["admin"])
    asyncio.run(asked())


def test_a_key_is_made_listed_used_and_deleted_by_the_command(team: Team) -> None:
    made = team.command("key", "create", "laptop", "--access", "read", "--expires", "90d")
    token, said = made.stdout.strip(), made.stderr
    assert (made.returncode, token[:3], "not shown again" in said) == (0, "rk_", True)
    over_tcp = {"RUNSD_HOST": f"http://{team.where}", "RUNSD_API_KEY": token}
    assert runs(team.daemon, "ps", "-a", "-q", **over_tcp).stdout == f"{team.ids['runs']}\n"
    not_allowed = runs(team.daemon, "cancel", team.ids["runs"], **over_tcp)
    assert (not_allowed.returncode, "takes write access" in not_allowed.stderr) == (4, True)
    id, name, access, *rest = team.command("key", "ls").stdout.splitlines()[-1].split()
    assert (name, access, "never" in rest) == ("laptop", "read", False)
    assert team.command("key", "rm", id).stdout == f"{id}\n"
    gone = runs(team.daemon, "ps", **over_tcp)
    assert (gone.returncode, "no key, or no longer" in gone.stderr) == (4, True)
    assert token not in (team.daemon.directory / "log").read_text()


def test_what_a_deleted_key_has_open_is_cut_off(team: Team) -> None:
    with RunsClient(f"unix://{team.daemon.socket}", project="team") as owner:
        run = owner.create(**{**SPEC, "command": ["sh", "-c", "echo on; sleep 600"]}, stop_grace_seconds=0)
        key = owner.keys.create("reader", access="read")
        with (
            RunsClient(f"http://{team.where}", api_key=key.token) as client,
            closing_stream(client.logs(run.id, follow=True)) as entries,
        ):
            assert next(entries).text == "on\n"
            owner.keys.delete(key.id)
            with pytest.raises(Unauthorized):
                next(entries)
        with RunsClient(f"http://{team.where}", api_key=team.tokens["admin"]) as admin:
            admin.keys.delete(admin.keys.create("own").id)
        run.cancel()
        run.wait(ENDED_S)
        owner.delete(run.id)


def test_a_page_of_the_web_gets_nothing(team: Team) -> None:
    token = team.tokens["admin"]
    rebound = {"Host": f"evil.example:{team.where.rpartition(':')[2]}"}
    assert (
        "tcp.hosts" in refused(ask(team.where, "GET", "/v1/runs", token=token, headers=rebound), 421).detail
    )
    preflight = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    for found in (
        ask(team.where, "OPTIONS", "/v1/runs", headers=preflight, source=next(SOURCES)),
        ask(team.where, "OPTIONS", "/v1/runs", headers=preflight, token=token),
        ask(team.where, "GET", "/v1/runs", headers={"Origin": "https://evil.example"}, token=token),
    ):
        assert not [header for header in found.headers if header.lower().startswith("access-control")]
    assert ask(team.where, "OPTIONS", "/v1/runs", headers=preflight, token=token).status_code == 405


def test_who_is_wrong_too_often_is_told_to_wait_and_nobody_else(team: Team) -> None:
    source = next(SOURCES)

    def wrong() -> int:
        return ask(team.where, "GET", "/v1/runs", token="rk_wrong", source=source).status_code

    answers = [wrong() for _ in range(MOST)]
    assert set(answers) == {401}
    assert eventually(lambda: wrong() == 429)
    found = ask(team.where, "GET", "/v1/runs", source=source)
    if found.status_code == 429:  # a slow machine has waited long enough
        assert int(found.headers["Retry-After"]) >= 1
    for right in (source, next(SOURCES)):
        assert ask(team.where, "GET", "/v1/runs", token=team.tokens["read"], source=right).status_code == 200
    logged = [line for line in team.daemon.logged() if line.get("remote") == source]
    assert MOST <= len(logged) < 2 * MOST


def test_who_looks_for_hooks_too_often_is_told_to_wait_and_a_right_one_is_heard(team: Team) -> None:
    source = next(SOURCES)

    def knock(token: str) -> httpx2.Response:
        return ask(team.where, "POST", f"/v1/hooks/{token}", source=source)

    assert {refused(knock(f"hook_{n}"), 404).code for n in range(MOST)} == {"not_found"}
    assert eventually(lambda: knock("hook_none").status_code == 429)
    assert knock(team.hook).status_code == 201
    assert ask(team.where, "POST", "/v1/hooks/hook_none", source=next(SOURCES)).status_code == 404
    logged = [line for line in team.daemon.logged() if line["event"] == "hook.unknown"]
    assert MOST <= len([line for line in logged if line["remote"] == source]) < 2 * MOST


def test_who_may_only_read_sees_of_a_webhook_where_it_goes_and_not_the_whole_url(team: Team) -> None:
    given = {"url": "https://127.0.0.1.nip.example:8443/T0/secret?token=t", "enabled": False}
    writer, reader = team.tokens["write"], team.tokens["read"]
    made = ask(team.where, "POST", "/v1/webhooks", token=writer, json=given).json()
    for path in ("/v1/webhooks", f"/v1/webhooks/{made['id']}"):
        assert given["url"] in ask(team.where, "GET", path, token=writer).text
        seen = ask(team.where, "GET", path, token=reader).text
        assert '"https://127.0.0.1.nip.example:8443/…"' in seen and "secret?" not in seen
    assert ask(team.where, "DELETE", f"/v1/webhooks/{made['id']}", token=writer).status_code == 204


def test_nobody_listens_while_there_is_no_key(serve: Serve) -> None:
    with serve(**ANY_PORT) as daemon:
        assert not [line for line in daemon.logged() if line["event"] == "tcp.listening"]
        key = daemon.client.keys.create("first", access="admin")
        where = address(daemon)
        assert ask(where, "GET", "/v1/health", token=key.token).status_code == 200
        daemon.restart()
        assert ask(address(daemon), "GET", "/v1/health", token=key.token).status_code == 200
        daemon.client.keys.delete(key.id)
        host, _, port = address(daemon).rpartition(":")
        assert eventually(lambda: not listens(host, int(port)))
        again = daemon.client.keys.create("second")
        assert eventually(lambda: listens(host, int(port)))
        assert ask(f"{host}:{port}", "GET", "/v1/health", token=again.token).status_code == 200


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@pytest.mark.needs("openssl")
def test_with_a_certificate_it_is_encrypted_and_a_renewed_one_is_taken(serve: Serve, tmp_path: Path) -> None:
    certificate, private_key = made(tmp_path)
    settings = {"RUNSD_TCP__CERTIFICATE": str(certificate), "RUNSD_TCP__PRIVATE_KEY": str(private_key)}
    with serve(**ANY_PORT, **settings, RUNSD_TCP__HOSTS="runs.example.org") as daemon:
        token = daemon.client.keys.create("tls").token
        host = f"https://{address(daemon)}"
        with RunsClient(host, api_key=token, ca_file=str(certificate)) as client:
            assert client.info().project == "default"
        with pytest.raises(DaemonUnreachable), RunsClient(host, api_key=token) as client:
            client.info()
        plain = RunsClient(host.replace("https:", "http:"), api_key=token, patience_seconds=0)
        with pytest.raises(DaemonUnreachable), plain as client:
            client.info()
        over_tls = {"RUNSD_HOST": host, "RUNSD_API_KEY": token, "RUNSD_CA_FILE": str(certificate)}
        assert runs(daemon, "ps", **over_tls).returncode == 0
        before = certificate.read_text()
        made(tmp_path)
        assert certificate.read_text() != before
        daemon.client.keys.create("another")  # whatever is new at the keys lets it look

        def renewed() -> bool:
            with (
                suppress(DaemonUnreachable),
                RunsClient(host, api_key=token, ca_file=str(certificate)) as client,
            ):
                return client.health().admitting
            return False

        assert eventually(renewed)
