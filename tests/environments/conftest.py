"""Environments on the real Engine with the real uv, of packages that the tests make."""

import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import docker
import images
import pytest
from docker.errors import APIError

from runsd.clock import now_us
from runsd.config import EnvironmentSettings
from runsd.engine.docker import DockerEngine
from runsd.engine.port import ImageFacts
from runsd.environments.environments import Environments
from runsd.environments.naming import ENVIRONMENT, WORKSHOP
from tests import leaks
from tests.environments import wheels

Make = Callable[..., Environments]


@pytest.fixture
async def engine(engine_host: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine.at(engine_host)
    yield engine
    await engine.close()


@pytest.fixture
async def base(engine: DockerEngine) -> ImageFacts:
    """The base image of most tests."""
    found = await engine.image(images.PYTHON_3_11)
    assert found is not None
    return found


@pytest.fixture
def instance(docker_client: docker.APIClient) -> Iterator[str]:
    """An installation of its own; nothing that it made halfway may stay, and what it made well is removed."""
    instance = f"test-{uuid.uuid4().hex[:12]}"
    yield instance
    for image in docker_client.images(filters={"label": f"{ENVIRONMENT}={instance}"}):
        for name in image["RepoTags"] or [image["Id"]]:
            docker_client.remove_image(name, force=True)
    left = leaks.settled(lambda: halfway(docker_client, instance), within_s=20)
    for thing in left:  # the next test shall not suffer
        try:
            docker_client.remove_container(thing.partition(" ")[2], force=True)
        except APIError:
            docker_client.remove_image(thing.partition(" ")[2], force=True)
    assert not left


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder with two wheels that exist only in this test: ``first``, and ``second`` that needs it."""
    mark = uuid.uuid4().hex
    folder = tmp_path / "links"
    wheels.wheel(folder, "first", files={"mark.txt": mark}, scripts={"first": "first:main"})
    wheels.wheel(folder, "first", "2.0", files={"mark.txt": mark}, scripts={"first": "first:main"})
    wheels.wheel(folder, "second", requires=["first<2"], files={"seconds_mark.txt": mark})
    return folder


@pytest.fixture
def make(engine: DockerEngine, tmp_path: Path, links: Path, instance: str) -> Make:
    """Make environments of one installation, as a daemon that starts does; settings by name."""

    async def nothing() -> Collection[str]:
        return ()

    def made(**settings: Any) -> Environments:
        in_use = settings.pop("in_use", nothing)
        clock = settings.pop("clock", now_us)
        chosen = EnvironmentSettings(**{"no_index": True, "find_links": [str(links)], **settings})
        return Environments(engine, chosen, tmp_path / "data", instance=instance, clock=clock, in_use=in_use)

    return made


def halfway(client: docker.APIClient, instance: str) -> set[str]:
    """Name what is left of the making of images: containers, and images that are not finished."""
    label = {"label": f"{WORKSHOP}={instance}"}
    left = {f"container {found['Id']}" for found in client.containers(all=True, filters=label)}
    return left | {f"image {found['Id']}" for found in client.images(filters={**label, "dangling": True})}


def run(client: docker.APIClient, image: str, *command: str) -> str:
    """Run a program in a container of an image, without network, and return what it prints."""
    made = client.create_container(
        image, list(command), host_config=client.create_host_config(network_mode="none")
    )
    try:
        client.start(made)
        code = client.wait(made, timeout=120)["StatusCode"]
        said = client.logs(made).decode()
    finally:
        client.remove_container(made, force=True)
    assert code == 0, said
    return str(said)
