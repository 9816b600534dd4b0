"""Whoever makes an environment is killed: at each step, and in the middle of uv's and the Engine's work."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import docker
import images
import psutil
import pytest
import tools

from runsd.engine.port import ImageFacts
from runsd.environments.requirements import stated
from runsd.faults import VARIABLE, Step
from tests.environments import silent, wheels
from tests.environments.conftest import Make, halfway, run

pytestmark = pytest.mark.needs("python-images")
ROOT = Path(__file__).resolve().parents[2]
STEPS = (Step.COMMIT_IMAGE, Step.REMOVE_IMAGE)


def start(tmp_path: Path, links: str, instance: str, asked: str, point: str = "") -> "subprocess.Popen[str]":
    """Start a process that makes an environment, and removes it again."""
    command = [sys.executable, "-m", "tests.environments.program", str(tmp_path / "data"), links, instance]
    python_path = f"{ROOT}{os.pathsep}{Path(tools.__file__).parent}"
    return subprocess.Popen(
        [*command, images.PYTHON_3_11, asked],
        env={**os.environ, VARIABLE: point, "PYTHONPATH": python_path},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("point", [f"{when}:{step}" for step in STEPS for when in ("before", "after")])
async def test_killed_at_a_step_the_next_one_goes_on(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, instance: str, tmp_path: Path,
    point: str,
) -> None:  # fmt: skip
    with start(tmp_path, str(links), instance, "first", point) as doomed:
        doomed.communicate(timeout=100)
    assert doomed.returncode == -signal.SIGKILL
    environments = make()
    await environments.collect()
    ready = await environments.ready(base, stated(["first"]), on_progress=lambda _: None)
    assert run(docker_client, ready.image_id, "first") == "first 2.0\n"
    assert ready.made == (point != "after:commit_image" and point != "before:remove_image")
    assert halfway(docker_client, instance) == set()


async def test_killed_in_the_middle_of_a_build_nothing_is_left(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, instance: str, tmp_path: Path
) -> None:
    # So much to compile that the Engine is still at it when its client is gone.
    wheels.wheel(
        links, "large", files={f"large_{n}.py": "x = [\n" + "1,\n" * 20_000 + "]\n" for n in range(60)}
    )
    with start(tmp_path, str(links), instance, "large") as doomed:
        assert doomed.stdout is not None
        for line in doomed.stdout:
            if line.startswith("building"):
                break
        while not [thing for thing in halfway(docker_client, instance) if thing.startswith("container")]:
            assert doomed.poll() is None
        doomed.kill()
    assert len(list((tmp_path / "data" / "work").glob("*/*"))) == 1
    environments = make()
    environments._benches.clear()
    async with asyncio.timeout(60):  # the Engine may still be at the end of what it was doing
        while halfway(docker_client, instance):
            await environments.collect()
            await asyncio.sleep(0.2)
    assert list((tmp_path / "data" / "work").glob("*/*")) == []
    ready = await environments.ready(base, stated(["large"]), on_progress=lambda _: None)
    assert ready.made


def test_killed_in_the_middle_of_a_resolution_uv_ends_too(
    engine_host: str, instance: str, tmp_path: Path
) -> None:
    with silent.index() as slow, start(tmp_path, slow.url, instance, "first") as doomed:
        assert slow.asked.wait(100)
        children = psutil.Process(doomed.pid).children(recursive=True)
        assert [child.name() for child in children] == ["uv"]
        doomed.kill()
        _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
