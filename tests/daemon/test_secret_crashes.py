"""The daemon is killed around every step of secrets: no run is without its own, and none is left over."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from runsd_sdk import Status

from runsd.faults import VARIABLE, Step
from tests import leaks
from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, RUNSD, Daemon

HUSH = "correct-horse-battery-staple"
SET = (Step.ADD_KEY, Step.SET_SECRET)
OF_RUNS = (Step.LAY_OUT_SECRETS, Step.CREATE, Step.REMOVE, Step.CLEAR_SECRETS)
ROTATION = (Step.ADD_KEY, Step.RESEAL_SECRETS, Step.DROP_KEYS)


def points(*steps: Step) -> list[str]:
    return [f"{when}:{step}" for step in steps for when in ("before", "after")]


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve() as daemon:
        daemon.client.secrets.set("TOKEN", HUSH)
        yield daemon


def test_killed_while_one_is_set_or_deleted(serve: Serve) -> None:
    with serve() as daemon:
        key = daemon.directory / "data" / "secrets.key"
        for point in points(*SET):
            key.unlink(missing_ok=True)
            daemon.kill9()
            daemon.start(RUNSD_FAULT=point)
            daemon.asked_to_death("PUT", "/v1/secrets/TOKEN", json={"value": HUSH})
            daemon.start()
            daemon.client.secrets.set("TOKEN", HUSH)
            assert daemon.run("sh", "-c", "test $TOKEN", secrets=["TOKEN"]).exit_code == 0, point
            daemon.client.secrets.delete("TOKEN")  # so that the next one needs a key anew
        daemon.client.secrets.set("TOKEN", HUSH)
        for point, left in zip(points(Step.DELETE_SECRET), (["TOKEN"], []), strict=True):
            daemon.kill9()
            daemon.start(RUNSD_FAULT=point)
            daemon.asked_to_death("DELETE", "/v1/secrets/TOKEN")
            daemon.start()
            assert [one.name for one in daemon.client.secrets.list()] == left


def test_killed_anywhere_every_attempt_has_its_secret_and_leaves_none(daemon: Daemon) -> None:
    script = f'test "$(cat /run/secrets/t)" = {HUSH} && test $TOKEN = {HUSH} || exit 7; echo "$TOKEN"; exit 9'
    uses = ["TOKEN", {"name": "TOKEN", "path": "t"}]
    retries = {"limit": 1, "backoffSeconds": 0, "on": ["exited:9"]}
    with ThreadPoolExecutor(1) as owner:
        for point in points(*OF_RUNS):
            daemon.kill9()
            daemon.start(RUNSD_FAULT=point)
            spec = daemon.spec("sh", "-c", script, secrets=uses, retries=retries)
            asked = owner.submit(daemon.client.create_and_wait, **spec)
            daemon.await_death()
            daemon.start()
            result = asked.result(ENDED_S)
            assert (result.status, result.exit_code, result.attempt) == (Status.FAILED, 9, 2), point
            assert result.stdout == "*" * len(HUSH) + "\n", point
        # What had a container still when a daemon looked is cleared away at its next look.
        left = leaks.settled(lambda: leaks.engine_leftovers(daemon.eye, {daemon.instance}), within_s=60)
        assert not left


def test_a_rotation_that_was_killed_is_repeated(daemon: Daemon) -> None:
    data, key = daemon.directory / "data", daemon.directory / "data" / "secrets.key"
    command = [str(RUNSD), "secrets", "rotate", "--data-dir", str(data)]
    for point in points(*ROTATION):
        environment = daemon.environment() | {VARIABLE: point}
        killed = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
        assert killed.returncode == -9, (point, killed.stderr)
        assert daemon.run("sh", "-c", f"test $TOKEN = {HUSH}", secrets=["TOKEN"]).exit_code == 0, point
        daemon.client.secrets.set("OTHER", HUSH)
    before = key.read_text().split()
    done = subprocess.run(command, env=daemon.environment(), capture_output=True, timeout=60, check=True)
    assert b"1 value" not in done.stderr and b"2 values" in done.stderr
    (new,) = key.read_text().split()
    assert new not in before
    assert daemon.run("sh", "-c", f"test $OTHER = {HUSH}", secrets=["OTHER"]).exit_code == 0


def test_a_rotation_without_its_files_says_so(daemon: Daemon, tmp_path: Path) -> None:
    command = [str(RUNSD), "secrets", "rotate", "--data-dir", str(tmp_path)]
    done = subprocess.run(
        command, env=daemon.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "--data-dir" in done.stderr) == (1, True)
