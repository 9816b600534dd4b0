"""What every test may ask for: the Engine, a second eye on it, images; and nothing may be left behind."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import docker
import engine
import images
import pytest
import tools
from hypothesis import settings

from tests import leaks
from tests.capabilities import Capabilities
from tests.daemon.harness import Daemon

Serve = Callable[..., AbstractContextManager[Daemon]]


def pytest_configure(config: pytest.Config) -> None:
    """Put the tests' tools on the path, and start to look for leaks."""
    os.environ["PATH"] = tools.PATH
    settings.register_profile("patient", settings(), deadline=None)  # an example may take long on a busy host
    settings.load_profile("patient")
    config.addinivalue_line("markers", "needs(*capabilities): skip, and say so, where the host lacks one")
    config.pluginmanager.register(Capabilities(), "runsd-capabilities")
    config.pluginmanager.register(leaks.LeakWatch(), "runsd-leaks")


@pytest.fixture(autouse=True)
def _nothing_goes_on(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_no_task_left")


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)  # what was cancelled or set free may take its last step
    left = leaks.tasks_left(before)
    assert not left, f"tasks left behind: {left}"


@pytest.fixture(scope="session")
def engine_host() -> str:
    """The address of an Engine that answers."""
    host = engine.address()
    try:
        engine.ask(host, "/version")
    except engine.FAILURES as failure:
        pytest.fail(f"no Docker Engine answers at {host} ({failure}); run `make engine`", pytrace=False)
    return host


@pytest.fixture(scope="session")
def docker_client(engine_host: str) -> Iterator[docker.APIClient]:
    """docker-py, as a second eye that shares nothing with the daemon."""
    client = docker.APIClient(base_url=engine_host, version="auto")
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox_image(docker_client: docker.APIClient) -> str:
    """The name of an image with busybox and nothing else."""
    return _present(docker_client, images.BUSYBOX)


@pytest.fixture(scope="session")
def python_image(docker_client: docker.APIClient) -> str:
    """The name of an image with Python 3 and its standard library."""
    return _present(docker_client, images.PYTHON)


@pytest.fixture(scope="session")
def instances(docker_client: docker.APIClient) -> Iterator[set[str]]:
    """The instance ids of the daemons under test. Whoever starts one adds its own; nothing of it may stay."""
    known: set[str] = set()
    yield known
    left = leaks.settled(lambda: leaks.engine_leftovers(docker_client, known))
    left |= leaks.networks(docker_client, known)
    assert not left, f"left behind on the Engine: {sorted(left)}"


@pytest.fixture(scope="session")
def serve(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    engine_host: str,
    busybox_image: str,
    instances: set[str],
) -> Serve:
    """Start daemons with settings, such as ``RUNSD_CAPACITY__CPU="1"``."""

    @contextmanager
    def start(**settings: str) -> Iterator[Daemon]:
        directory = tmp_path_factory.mktemp("runsd")
        with Daemon(directory, docker_client, engine_host, image=busybox_image, **settings) as daemon:
            instances.add(daemon.instance)
            yield daemon

    return start


def _present(client: docker.APIClient, name: str) -> str:
    if not images.present(client, name):
        pytest.fail(f"the image {name} is missing; run `make images`", pytrace=False)
    return name
