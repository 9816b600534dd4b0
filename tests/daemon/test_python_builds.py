"""A Python run whose package has no wheel, as its owner sees it, whatever happens to the daemon meanwhile."""

import tarfile
from pathlib import Path

import docker
import pytest
from runsd_sdk import Reason, Status

from runsd.environments.naming import MAKER, WORKSHOP
from tests.conftest import Serve
from tests.daemon.harness import Daemon, eventually
from tests.environments.sdists import sdist
from tests.environments.wheels import wheel

WAITING = """\
print("words of a build", flush=True)
import time
while not os.path.exists("/go"):
    time.sleep(0.05)
"""
GO = tarfile.TarInfo("go").tobuf() + bytes(2 * tarfile.BLOCKSIZE)
pytestmark = pytest.mark.needs("python-images")


def test_killed_while_it_builds_the_daemon_builds_again_and_tells_it_all(
    docker_client: docker.APIClient, tmp_path: Path, serve: Serve
) -> None:
    links = tmp_path / "links"
    wheel(links, "tiny")
    sdist(links, "own", needs=["tiny"], act=WAITING)
    sdist(links, "broken", act="raise SystemExit('cc: command not found')")
    with serve(RUNSD_ENVIRONMENTS__NO_INDEX="true", RUNSD_ENVIRONMENTS__FIND_LINKS=str(links)) as daemon:
        label = {"label": [f"{WORKSHOP}={daemon.instance}", MAKER]}

        def python(package: str) -> object:
            called = {"function": f"{package}:main" if package == "tiny" else "own:version.upper"}
            return {"version": "3.11", "dependencies": ["own", package], "entrypoint": called}

        handle = daemon.client.create(python=python("tiny"))
        assert eventually(lambda: "own 1.0: words of a build" in told(daemon, handle.id), within_s=60)
        daemon.kill9()
        (left,) = running(docker_client, label)
        daemon.start()
        assert eventually(
            lambda: told(daemon, handle.id).count("own 1.0: words of a build") == 2, within_s=60
        )
        assert eventually(lambda: left not in running(docker_client, label), within_s=60)
        (building,) = running(docker_client, label)
        docker_client.put_archive(building, "/", GO)
        result = handle.wait(120)
        assert (result.status, result.stdout) == (Status.SUCCEEDED, "tiny 1.0\n"), result.message
        assert docker_client.containers(all=True, filters=label) == []
        lock = daemon.http.get(f"/v1/runs/{handle.id}/lock").text
        assert f'sdist = {{ url = "{(links / "own-1.0.tar.gz").as_uri()}"' in lock
        assert str(daemon.directory) not in lock

        failed = daemon.client.create_and_wait(python=python("broken"))
        assert (failed.status, failed.reason) == (Status.FAILED, Reason.DEPENDENCIES_FAILED)
        assert (failed.message or "").endswith("cc: command not found")


def running(docker_client: docker.APIClient, label: dict[str, list[str]]) -> list[str]:
    """Return the ids of containers that run."""
    return [found["Id"] for found in docker_client.containers(filters=label)]


def told(daemon: Daemon, run_id: str) -> str:
    """Return what the daemon has told so far in a run's log."""
    entries = daemon.http.get(f"/v1/runs/{run_id}/logs", headers={"Accept": "application/x-ndjson"}).text
    return "".join(line for line in entries.splitlines(keepends=True) if '"system"' in line)
