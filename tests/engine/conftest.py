"""The real Engine, twice: by our adapter, and by docker-py as an independent second eye."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import images
import pytest

from runsd.engine.docker import DockerEngine
from runsd.engine.port import ContainerRequest
from tests.engine.registry import Registry, serve

RequestOf = Callable[..., ContainerRequest]


@pytest.fixture(scope="session")
def eye(engine_host: str) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=engine_host, version="auto")
    yield client
    client.close()


@pytest.fixture(scope="session")
def speaking_image(docker_client: docker.APIClient, busybox_image: str) -> Iterator[str]:
    """An image with both an ENTRYPOINT and a CMD."""
    name = f"runsd-test/speaking:{uuid.uuid4().hex[:12]}"
    dockerfile = f'FROM {busybox_image}\nENTRYPOINT ["/bin/echo", "entrypoint"]\nCMD ["cmd"]\n'
    images.build(docker_client, name, dockerfile, {})
    yield name
    docker_client.remove_image(name)


@pytest.fixture(scope="session")
def keeping_image(docker_client: docker.APIClient, busybox_image: str) -> Iterator[str]:
    """An image that asks for a volume of its own at /kept."""
    name = f"runsd-test/keeping:{uuid.uuid4().hex[:12]}"
    images.build(docker_client, name, f"FROM {busybox_image}\nVOLUME /kept\n", {})
    yield name
    docker_client.remove_image(name)


@pytest.fixture
async def engine(engine_host: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine.at(engine_host)
    yield engine
    await engine.close()


@pytest.fixture
def label() -> str:
    """The value of the label ``runsd-test`` on everything that one test makes."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def request_of(busybox_image: str, eye: docker.DockerClient, label: str) -> Iterator[RequestOf]:
    """Make requests of small containers; what they became is removed after the test."""
    plain = ContainerRequest(
        name="",
        image=busybox_image,
        entrypoint=None,
        args=None,
        env={},
        labels={"runsd-test": label},
        cpu_milli=1000,
        memory_bytes=64 * 1024**2,
        shm_bytes=64 * 1024**2,
        mounts=(),
        network="none",
        workdir=None,
        user=None,
        cgroup_parent=None,
        log_max_bytes=1024**2,
    )

    def make(*command: str, **changes: Any) -> ContainerRequest:
        name = f"runsd-test-{label}-{uuid.uuid4().hex[:6]}"
        return replace(plain, **{"name": name, "entrypoint": command or None, **changes})

    yield make
    for container in eye.containers.list(all=True, filters={"label": f"runsd-test={label}"}):
        container.remove(force=True)


@pytest.fixture
def volume(eye: docker.DockerClient, label: str) -> Iterator[str]:
    """Name a volume that is removed after the test, if it was made; asked for before ``request_of``."""
    name = f"runsd-test-{label}"
    yield name
    for made in eye.volumes.list(filters={"name": name}):
        made.remove()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve(tmp_path_factory.mktemp("locked-registry"), locked=True) as served:
        yield served


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory as ``$DOCKER_CONFIG``."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
