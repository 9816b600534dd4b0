"""Browsers: how one logs in, what its cookie opens, and what another site's page can do with it."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from runsd_sdk import RunsClient

from tests.api.tcp import address
from tests.conftest import Serve
from tests.daemon.command import RUNS, environment, runs
from tests.daemon.harness import Daemon
from tests.web.conftest import OpenPage
from tests.web.site import Site, site

TYPED = {"Sec-Fetch-Site": "none"}
SPEC: dict[str, Any] = {"image": "runsd/busybox:1", "network": "none", "command": ["true"]}

PLACES = {
    "http://x/p/default/runs?status=failed": "/login?next=%2Fp%2Fdefault%2Fruns%3Fstatus%3Dfailed",
    "http://x/p/default/runs/run_x/logs#L1": "/login?next=%2Fp%2Fdefault%2Fruns%2Frun_x%2Flogs",
    "https://evil.example/": "/login",
    "http://x//evil.example/p/": "/login",
    "javascript:alert(1)": "/login",
    "http://[": "/login",
    "": "/login",
}
"""What a browser says that it shows, and where it is led."""


@pytest.fixture(scope="module")
def own(serve: Serve) -> Iterator[Site]:
    with site(serve) as daemon:
        yield daemon


@contextmanager
def browser(url: str, key: str | None = None, **more: Any) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60, **more) as client:
        if key is not None:
            client.post("/login", data={"key": key}).raise_for_status()
        yield client


def token_in(client: httpx2.Client, path: str = "/p/default/runs") -> dict[str, str]:
    found = re.search(r'name="runsd-request-token" content="(\w{64})"', client.get(path).text)
    assert found is not None
    return {"Runsd-Request-Token": found[1]}


def test_who_has_not_logged_in_is_led_there_and_back(own: Site) -> None:
    with browser(own.url) as client:
        led = client.get("/p/default/runs?status=failed")
        assert (led.status_code, led.headers["Location"]) == (
            303,
            "/login?next=%2Fp%2Fdefault%2Fruns%3Fstatus%3Dfailed",
        )
        for shown, led_to in PLACES.items():
            part = client.get("/p/default/live", headers={"HX-Request": "true", "HX-Current-URL": shown})
            assert (part.status_code, part.headers["HX-Redirect"]) == (401, led_to), shown
        assert client.get("/v1/runs").status_code == 401
        form = client.get(led.headers["Location"])
        assert 'value="/p/default/runs?status=failed"' in form.text
        inside = client.post("/login", data={"key": own.key, "next": "/p/default/runs?status=failed"})
        assert 'content="0; url=/p/default/runs?status=failed"' in inside.text
        assert client.get("/p/default/runs").status_code == 200


@pytest.mark.parametrize(
    "onward", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", "//[evil"]
)
def test_a_link_to_log_in_leads_to_no_other_site(own: Site, onward: str) -> None:
    with browser(own.url) as client:
        inside = client.post("/login", data={"key": own.key, "next": onward})
        assert 'content="0; url=/"' in inside.text
        assert "evil" not in client.get("/login", params={"next": onward}).text


def test_who_asks_for_what_is_nowhere_gets_a_page_in_a_browser_and_a_problem_elsewhere(own: Site) -> None:
    eyes = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    with browser(own.url) as client:
        for place in ("/p/default/runs/", "/nope"):
            led = client.get(place, headers=eyes)
            assert (led.status_code, led.headers["Location"][:12]) == (303, "/login?next="), place
            assert client.get(place).status_code == 401
        assert client.get("/nope", headers={**eyes, "Host": "evil.example"}).status_code == 421
    with browser(own.url, own.key) as client:
        page = client.get("/p/default/<script>", headers=eyes)
        assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "there is no such page" in page.text
        assert "<script>" not in page.text
        for path, headers in (("/nope", {}), ("/v1/nope", eyes)):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("key", ["", "rk_wrong", "x" * 3000, "rk_" + "0" * 26 + "a" * 32])
def test_what_is_no_key_logs_nobody_in(own: Site, key: str) -> None:
    with browser(own.url) as client:
        answer = client.post("/login", data={"key": key})
        assert answer.status_code in (401, 429)
        assert "Set-Cookie" not in answer.headers
        assert not key or key not in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_logs_nobody_in(own: Site, site: str) -> None:
    link, sent = own.daemon.client.login(), {"Sec-Fetch-Site": site}
    with browser(own.url) as client:
        for answer in (
            client.get(link.path, headers=sent),
            client.post("/login", data={"key": own.key}, headers=sent),
        ):
            assert (answer.status_code, "Another page" in answer.text) == (403, True)
            assert "Set-Cookie" not in answer.headers
        assert "Set-Cookie" in client.get(link.path, headers=TYPED).headers


def test_a_browser_that_does_not_say_who_sent_it_asks_its_user_before_a_link_logs_in(own: Site) -> None:
    link = own.daemon.client.login()
    code = link.path.partition("code=")[2]
    with browser(own.url) as client:
        asked = client.get(f"{link.path}&next=/p/default/host")
        assert (asked.status_code, "Set-Cookie" in asked.headers) == (200, False)
        assert f'name="code" value="{code}"' in asked.text
        form = {"code": code, "next": "/p/default/host"}
        for origin in (
            "http://evil.example",
            "null",
            f"{own.url}.evil.example",
            "http://127.0.0.1:1",
            "http://[",
        ):
            for given in (form, {"key": own.key}):
                refused = client.post("/login", data=given, headers={"Origin": origin})
                assert (refused.status_code, "Another page" in refused.text) == (403, True), origin
                assert "Set-Cookie" not in refused.headers
        inside = client.post("/login", data=form, headers={"Origin": own.url})
        assert 'content="0; url=/p/default/host"' in inside.text
        assert client.get("/p/default/host").status_code == 200


def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(own: Site) -> None:
    with browser(own.url) as client:
        cookie = client.post("/login", data={"key": own.key}).headers["Set-Cookie"]
        assert re.match(r"runsd_[0-9a-f]{8}=[\w-]{43}; ", cookie)
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        page = client.get("/p/default/runs")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert client.get("/v1/runs").headers["X-Content-Type-Options"] == "nosniff"
        assert own.key not in page.text


def test_a_change_needs_what_only_our_pages_know(own: Site) -> None:
    with browser(own.url, own.key) as client:
        for wrong in (
            {},
            {"Runsd-Request-Token": "0" * 64},
            {"Runsd-Request-Token": "\u00e4".encode()},
            {**token_in(client), "Sec-Fetch-Site": "cross-site"},
            {**token_in(client), "Sec-Fetch-Site": "same-site"},
            {"Runsd-Request-Token": b"\xff"},
        ):
            answer = client.post("/v1/runs", json=SPEC, headers=wrong)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), wrong
            assert client.post("/logout", headers=wrong).status_code == 403
        assert client.get("/v1/runs").json()["data"] == []
        made = client.post("/v1/volumes", json={"name": "made"}, headers=token_in(client))
        assert made.status_code == 201
        gone = client.delete(f"/v1/volumes/{made.json()['id']}", headers=token_in(client))
        assert gone.status_code == 204
        who = next(own.daemon.client.audit(action="volume.create"))
        assert (who.name, who.address) == ("browser", "127.0.0.1")


def test_the_token_of_one_session_does_not_do_for_another(own: Site) -> None:
    with browser(own.url, own.key) as one, browser(own.url, own.key) as other:
        answer = one.post("/v1/volumes", json={"name": "x"}, headers=token_in(other))
        assert answer.status_code == 403


def test_a_session_may_what_its_key_may_and_ends_with_it(own: Site) -> None:
    key = own.daemon.client.keys.create("reader", access="read")
    with browser(own.url, key.token) as client:
        answer = client.post("/v1/volumes", json={"name": "x"}, headers=token_in(client))
        assert (answer.status_code, "read" in answer.json()["detail"]) == (403, True)
        assert client.get("/p/default/settings").status_code == 403
        assert client.get("/p/elsewhere/runs").status_code == 404
        own.daemon.client.keys.delete(key.id)
        assert client.get("/v1/runs").status_code == 401
        assert client.get("/p/default/runs").status_code == 303


def test_logging_out_ends_the_session_and_not_another(own: Site) -> None:
    with browser(own.url, own.key) as client, browser(own.url, own.key) as other:
        cookies = dict(client.cookies)
        assert client.post("/logout", headers=token_in(client)).headers["HX-Redirect"] == "/login"
        assert not client.cookies
        assert httpx2.get(f"{own.url}/v1/runs", cookies=cookies).status_code == 401
        assert other.get("/v1/runs").status_code == 200


def test_logging_out_ends_what_the_session_is_told_and_not_what_others_are(own: Site) -> None:
    sse = {"Accept": "text/event-stream"}
    with browser(own.url, own.key) as client, browser(own.url, own.key) as other:
        leaving = {"headers": token_in(client), "cookies": dict(client.cookies)}
        with (
            client.stream("GET", "/v1/events", headers=sse) as told,
            other.stream("GET", "/v1/events", headers=sse) as others,
        ):
            httpx2.post(f"{own.url}/logout", **leaving).raise_for_status()
            with pytest.raises(httpx2.TransportError):
                told.read()
            run = own.daemon.http.post("/v1/runs", json=SPEC).json()
            assert next(others.iter_lines()).startswith("id: ")
        own.daemon.http.get(f"/v1/runs/{run['id']}/wait")


def test_a_session_makes_no_link_that_would_outlive_it(own: Site) -> None:
    with browser(own.url, own.key) as client:
        answer = client.post("/v1/logins", headers=token_in(client))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_bytes_that_are_no_text_are_refused_as_anything_else_that_opens_nothing(own: Site) -> None:
    with browser(own.url, own.key) as client:
        name, cookie = next(iter(client.cookies.items()))
    mine = f"Cookie: {name}={cookie}\r\n".encode()
    get, post = b"GET /v1/runs", b"POST /v1/volumes"
    said = [
        asked(own, first, b"Host: localhost\r\n" + header)
        for first, header in (
            (get, b"Authorization: Bearer \xff\r\n"),
            (get, f"Cookie: {name}=".encode() + b"\xff\r\n"),
            (b"GET /p/default/runs", f"Cookie: {name}=".encode() + b"\xff\r\n"),
            (post, mine + b"Runsd-Request-Token: \xff\r\n"),
            (post, mine + b"Runsd-Request-Token: x\r\nOrigin: \xff\r\n"),
            (get, mine + b"Runsd-Project: \xff\r\n"),
            (b"GET /p/\xff/runs?\xff", b""),
            (b"GET /p/%FF/runs?%FF", mine),
            (b"GET /login?next=//[&code=\xff", b""),
            (b"GET /login?next=//[", b""),
        )
    ]
    said.append(asked(own, get, b"Host: \xff\r\n"))
    assert [status for status in said if not 200 <= status < 500] == [], said
    assert [line for line in own.daemon.logged() if line.get("event", "").endswith(".failed")] == []


def asked(own: Site, first: bytes, headers: bytes) -> int:
    """Send a request as it is; return the status of the answer."""
    host, _, port = own.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(first + b" HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n")
        return int(connection.makefile("rb").readline().split()[1])


def test_a_link_opens_one_session_as_who_made_it(own: Site) -> None:
    link = own.daemon.client.login()
    assert own.url.endswith(str(link.address))
    with browser(own.url) as client:
        assert "Set-Cookie" in client.get(link.path, headers=TYPED).headers
        assert "uid " in client.get("/p/default/runs").text
        own.daemon.http.put("/v1/secrets/ONE_HERE", json={"value": "x"})
        own.daemon.client.projects.create("elsewhere")
        own.daemon.http.put(
            "/v1/secrets/TWO_THERE", json={"value": "x"}, headers={"Runsd-Project": "elsewhere"}
        )
        here, everywhere = (client.get(f"/p/default/audit{query}").text for query in ("", "?every=true"))
        assert ["ONE_HERE" in here, "TWO_THERE" in here] == [True, False]
        assert ["ONE_HERE" in everywhere, "TWO_THERE" in everywhere] == [True, True]
    again = httpx2.get(f"{own.url}{link.path}", headers=TYPED)
    assert (again.status_code, "has been used" in again.text) == (401, True)
    assert "Set-Cookie" not in again.headers
    entry = next(own.daemon.client.audit(action="session.create"))
    assert entry.who.startswith("uid ")


def test_a_session_outlives_the_daemon_and_a_link_does_not(serve: Serve) -> None:
    with site(serve) as own:
        link = own.daemon.client.login()
        with browser(own.url, own.key) as client:
            cookies = dict(client.cookies)
        own.daemon.kill9()
        own.daemon.start()
        url = f"http://{address(own.daemon)}"
        assert httpx2.get(f"{url}/v1/runs", cookies=cookies).status_code == 200
        assert httpx2.get(f"{url}{link.path}", headers=TYPED).status_code == 401


def test_what_is_forwarded_to_the_socket_counts_for_its_cookie_alone(own: Site) -> None:
    mark = {"Runsd-Forwarded": "1"}
    ask = own.daemon.http
    assert ask.get("/v1/runs").status_code == 200
    assert ask.get("/v1/runs", headers=mark).status_code == 401
    assert ask.get("/p/default/runs", headers=mark).status_code == 303
    assert ask.post("/v1/logins", headers=mark).status_code == 401
    assert ask.get("/v1/runs", headers={**mark, "Authorization": f"Bearer {own.key}"}).status_code == 401


def test_runs_open_lets_a_browser_in_at_a_daemon_that_has_only_its_socket(serve: Serve) -> None:
    with serve() as daemon:
        with opened(daemon) as (process, link):
            url, name = place_of(link)
            assert re.fullmatch(r"[0-9a-f]{16}\.localhost:\d+", name)
            for other in ("evil.example", url.removeprefix("http://"), f"localhost:{name.partition(':')[2]}"):
                assert httpx2.get(f"{url}/v1/runs", headers={"Host": other}).status_code == 421
            assert httpx2.get(f"{url}/v1/runs", headers={"Host": name}).status_code == 401
            with browser(url, headers={"Host": name, **TYPED}) as client:
                cookie = client.get(link.partition(name)[2]).headers["Set-Cookie"]
                assert "Max-Age" not in cookie
                client.headers["Sec-Fetch-Site"] = "same-origin"
                client.headers["Origin"] = f"http://{name}"
                run = client.post("/v1/runs", json=SPEC, headers=token_in(client)).json()
                with client.stream("GET", f"/p/default/runs/{run['id']}/live") as live:
                    events = (line for line in live.iter_lines() if line.startswith("event:"))
                    assert next(events) == "event: changed"
                assert client.get(f"/v1/runs/{run['id']}/wait").json()["status"] == "succeeded"
                assert client.get("/p/default/runs").status_code == 200
                # A key that somebody else sends along is no way around the cookie.
                forged = {"Host": name, "Authorization": "Bearer x", "Runsd-Forwarded": ""}
                assert httpx2.get(f"{url}/v1/runs", headers=forged).status_code == 401
                stolen = dict(client.cookies)
                assert httpx2.get(f"{url}/v1/runs", headers={"Host": name}, cookies=stolen).status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        # Whoever has the port now is sent the cookie.
        daemon.http.cookies.update(stolen)
        for mark in ("", "1"):
            assert daemon.http.get("/v1/runs", headers={"Runsd-Forwarded": mark}).status_code == 401
        with opened(daemon, "--numeric") as (_, link):
            url, name = place_of(link)
            assert url == f"http://{name}"
            assert httpx2.get(f"{url}/v1/runs", cookies=stolen).status_code == 401


def test_runs_open_says_when_the_daemon_is_away(serve: Serve) -> None:
    with serve() as daemon, opened(daemon, "--numeric", stderr=subprocess.PIPE) as (process, link):
        url, _ = place_of(link)
        with browser(url) as client:
            assert client.get("/v1/runs").status_code == 401
            daemon.kill9()
            for method in ("GET", "POST"):
                answer = client.request(method, "/v1/runs")
                assert (answer.status_code, "runsd is away" in answer.text) == (502, True)
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.communicate(timeout=60)[1]
        daemon.start()


def test_a_browser_sends_the_cookie_of_runs_open_to_no_other_page_of_this_host(
    serve: Serve, open_page: OpenPage
) -> None:
    with serve() as daemon, opened(daemon) as (_, link):
        url, name = place_of(link)
        page = open_page(Site(daemon, f"http://{name}", key=""))
        page.goto(link)
        page.wait_for_url("**/p/default/runs")
        assert [cookie["domain"] for cookie in page.context.cookies(page.url)] == [name.partition(":")[0]]
        assert page.context.cookies([url, url.replace("127.0.0.1", "localhost")]) == []
        page.close()


def place_of(link: str) -> tuple[str, str]:
    """Return where to connect to for a link, and by which name the browser calls that."""
    name = link.removeprefix("http://").partition("/")[0]
    return f"http://127.0.0.1:{name.partition(':')[2]}", name


@contextmanager
def opened(daemon: Daemon, *options: str, stderr: int | None = None) -> Iterator[Any]:
    command = [str(RUNS), "open", "--url", *options]
    with subprocess.Popen(
        command, env=environment(daemon), stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_runs_open_says_where_a_daemon_at_tcp_is(own: Site) -> None:
    written = runs(own.daemon, "open", "--json").stdout
    assert re.match(rf'{{"url": "{own.url}/login\?code=', written)
    with RunsClient(f"unix://{own.daemon.socket}") as client:
        assert client.info().free.cpu_milli > 0
