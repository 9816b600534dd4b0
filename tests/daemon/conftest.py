"""Real daemons on the real Engine: one for a module's ordinary cases, others for those that are ended."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import docker
import pytest

from tests.daemon.harness import Daemon

Serve = Callable[..., AbstractContextManager[Daemon]]


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


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon that a module's tests share."""
    with serve() as daemon:
        yield daemon


@pytest.fixture
def own_daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon that a test may kill."""
    with serve() as daemon:
        yield daemon
