"""The daemon is killed on the way of a Python run: the next one goes on with the same commit and packages."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from runsd_sdk import Status

from runsd.faults import Step
from tests.conftest import Serve
from tests.daemon.repository import commit, made
from tests.environments.wheels import wheel

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
