"""The daemon is killed on the way of a Python run: the next one goes on with the same commit and packages."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from runsd_sdk import Status

from runsd.faults import Step
from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, eventually
from tests.daemon.repository import commit, made
from tests.environments.page import page
from tests.environments.wheels import wheel
from tests.sources.held import held_line
from tests.sources.repository import serving

pytestmark = pytest.mark.needs("python-images")
STEPS = (Step.PREPARING, Step.COMMIT_SETTLED, Step.LOCK_SETTLED, Step.PUT_FILES, Step.COMMIT_IMAGE)
POINTS = [f"{when}:{step}" for step in STEPS for when in ("before", "after")]
PROGRAM = "import tiny\ndef main(x):\n    print('once')\n    return [x, tiny.version]\n"


def test_killed_anywhere_the_program_runs_once_with_what_was_settled(tmp_path: Path, serve: Serve) -> None:
    repository, wheels = tmp_path / "code", tmp_path / "wheels"
    wheel(wheels, "tiny", "1.0")
    with serve(
        RUNSD_SOURCES__LOCAL=str(tmp_path),
        RUNSD_ENVIRONMENTS__NO_INDEX="true",
        RUNSD_ENVIRONMENTS__FIND_LINKS=str(wheels),
    ) as daemon:
        made(repository)
        with ThreadPoolExecutor(1) as owner:
            for number, point in enumerate(POINTS):
                commit(repository, {"main.py": f"{PROGRAM}# {point}\n"})  # what is new has no image yet
                daemon.kill9()
                daemon.start(RUNSD_FAULT=point)
                python = {
                    "version": "3.11",
                    "dependencies": ["tiny"],
                    "entrypoint": {"function": "main.py:main", "args": [number]},
                }
                source = {"git": {"url": str(repository), "ref": "main"}}
                # Its answer may be lost with the daemon: the client asks the next one.
                asked = owner.submit(daemon.client.create_and_wait, python=python, source=source)
                daemon.await_death()
                daemon.start()
                result = asked.result(60)
                assert (result.status, result.attempt) == (Status.SUCCEEDED, 1), (point, result.message)
                assert (result.return_value, result.stdout) == ([number, "1.0"], "once\n"), point


def test_killed_in_the_midst_of_clone_and_resolution_it_goes_on(tmp_path: Path, serve: Serve) -> None:
    wheel(tmp_path / "wheels", "tiny", "1.0")
    commit_id = made(tmp_path / "code", {"main.py": PROGRAM, "much": secrets.token_hex(300_000)})
    settings = {"RUNSD_ENVIRONMENTS__NO_INDEX": "true"}
    with (
        serving(tmp_path) as port,
        held_line(port) as line,
        page(tmp_path / "wheels") as wheels,
        serve(**settings, RUNSD_ENVIRONMENTS__FIND_LINKS=wheels.url) as daemon,
    ):
        line.hold(after=100_000)
        python = {
            "version": "3.11",
            "dependencies": ["tiny"],
            "entrypoint": {"function": "main.py:main", "args": [0]},
        }
        source = {"git": {"url": f"git://127.0.0.1:{line.port}/code", "ref": "main"}}
        run = daemon.client.create(python=python, source=source)
        line.until_holding()
        daemon.kill9()
        line.release()
        daemon.start()
        assert eventually(lambda: bool(wheels.asked), within_s=ENDED_S)
        daemon.kill9()
        daemon.start()
        assert eventually(lambda: len(wheels.asked) == 2, within_s=ENDED_S), "the next one asks again"
        wheels.opened.set()
        result = run.wait(ENDED_S)
        assert (result.status, result.attempt, result.source_commit) == (Status.SUCCEEDED, 1, commit_id)
        assert (result.return_value, result.stdout) == ([0, "1.0"], "once\n")
