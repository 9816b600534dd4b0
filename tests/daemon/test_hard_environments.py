"""Very many runs, two Pythons and two daemons that want the same packages at the same moment."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk import RunHandle, Status

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, Daemon, eventually
from tests.environments.page import Page, page
from tests.environments.wheels import wheel

pytestmark = pytest.mark.needs("python-images")
MANY = 100
# Runs that are prepared use no processor, so all of them may be at once.
SETTINGS = {
    "RUNSD_CAPACITY__CPU": "32",
    "RUNSD_CAPACITY__MEMORY": "8Gi",
    "RUNSD_ENVIRONMENTS__NO_INDEX": "true",
}


@pytest.fixture
def wheels(tmp_path: Path) -> Iterator[Page]:
    """A page with one package."""
    wheel(tmp_path / "wheels", "tiny", "1.0")
    with page(tmp_path / "wheels") as shown:
        yield shown


def submit(daemon: Daemon, versions: Sequence[str], dependency: str = "tiny") -> list[RunHandle]:
    """Submit a run for each of these versions of Python, all at once."""
    specs: list[Any] = [
        {
            "network": "none",
            "resources": {"requests": {"cpu": "500m", "memory": "32Mi"}},
            "python": {
                "version": version,
                "dependencies": [dependency],
                "entrypoint": {"function": "tiny:main"},
            },
        }
        for version in versions
    ]
    return daemon.client.create_batch(specs)


def preparing(daemon: Daemon) -> int:
    """Count the runs that wait for their environment."""
    return sum(run.phase == "preparing" for run in daemon.client.iterate(status=["pending"]))


def told(run: RunHandle) -> list[str]:
    """Return what a run was told of its preparation."""
    return [entry.text.strip() for entry in run.logs() if entry.stream == "system"]


def test_a_hundred_runs_at_once_are_one_resolution_and_one_build_for_each_python(
    serve: Serve, wheels: Page
) -> None:
    with serve(**SETTINGS, RUNSD_ENVIRONMENTS__FIND_LINKS=wheels.url) as daemon:
        handles = submit(daemon, ["3.11"] * (MANY - 5) + ["3.13"] * 5)
        assert eventually(lambda: preparing(daemon) == MANY, within_s=ENDED_S)
        assert eventually(lambda: len(wheels.asked) == 2, within_s=ENDED_S)
        wheels.opened.set()
        results = [handle.wait(2 * ENDED_S) for handle in handles]
        assert {(result.status, result.stdout) for result in results} == {(Status.SUCCEEDED, "tiny 1.0\n")}
        assert len(wheels.asked) == 4, "one resolution and one installation for each version of Python"
        images = {result.image.id for result in results if result.image}
        assert len(images) == 2
        for handle, version in zip(handles, ["3.11"] * (MANY - 5) + ["3.13"] * 5, strict=True):
            lines = "\n".join(told(handle))
            assert f"resolving 1 requirement for Python {version}" in lines
            assert lines.count("building the environment image") == 1


def test_two_daemons_make_the_same_environment_at_the_same_time(serve: Serve, wheels: Page) -> None:
    settings = {**SETTINGS, "RUNSD_ENVIRONMENTS__FIND_LINKS": wheels.url}
    with serve(**settings) as one, serve(**settings) as other:
        handles = [submit(daemon, ["3.11"])[0] for daemon in (one, other)]
        assert eventually(lambda: len(wheels.asked) == 2, within_s=ENDED_S)
        wheels.opened.set()
        for handle in handles:
            assert handle.wait(ENDED_S, check=True).stdout == "tiny 1.0\n"
        for handle in handles:
            assert handle.rerun().wait(ENDED_S, check=True).stdout == "tiny 1.0\n"
