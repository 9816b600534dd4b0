"""Pages that show several projects hear of those that their reader may use by now, and of no others."""

from typing import Any

import httpx2

from tests.api import member
from tests.daemon.harness import Daemon
from tests.web.site import Site


def test_a_stream_tells_of_projects_that_come_and_of_none_that_was_shut_meanwhile(web: Site) -> None:
    daemon, client = web.daemon, web.daemon.client
    client.projects.create("elsewhere")
    ((_, login),) = member.ask(daemon, ("POST", "/v1/logins", None, {}))
    typed = {"Sec-Fetch-Site": "none"}
    with httpx2.Client(base_url=web.url, headers=typed, timeout=60) as browser:
        browser.get(login["path"]).raise_for_status()
        with browser.stream("GET", "/p/default/host/live", params={"since": ran(daemon, "default")}) as live:
            told = (int(line.removeprefix("id: ")) for line in live.iter_lines() if line.startswith("id: "))
            client.projects.create("theirs", members=[member.SOMEBODY])
            heard = ran(daemon, "theirs")
            while next(told) != heard:
                pass
            client.projects.set_members("theirs", [])
            hidden = [ran(daemon, project) for project in ("theirs", "elsewhere")]
            ran(daemon, "default")
            assert next(told) > max(hidden)
    for project in ("theirs", "elsewhere"):
        client.projects.delete(project)


def ran(daemon: Daemon, project: str) -> int:
    """Have a run of a project, and return the id of the last that is told of it."""
    headers = {"Runsd-Project": project}
    spec: dict[str, Any] = {"image": daemon.image, "command": ["true"], "network": "none"}
    run = daemon.http.post("/v1/runs", json=spec, headers=headers).raise_for_status().json()["id"]
    assert daemon.http.get(f"/v1/runs/{run}/wait", headers=headers).json()["status"] == "succeeded"
    return int(daemon.http.get(f"/v1/runs/{run}/events", headers=headers).json()["data"][-1]["id"])
