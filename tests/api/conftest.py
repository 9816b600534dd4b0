"""One daemon on the real Engine for all that is asked over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import docker
import pytest

from tests.daemon.harness import Daemon

Serve = Callable[..., AbstractContextManager[Daemon]]


@pytest.fixture(scope="package")
def serve(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    engine_host: str,
    busybox_image: str,
    instances: set[str],
) -> Serve:
    """Start daemons with settings."""

    @contextmanager
    def start(**settings: str) -> Iterator[Daemon]:
        directory = tmp_path_factory.mktemp("runsd")
        with Daemon(directory, docker_client, engine_host, image=busybox_image, **settings) as daemon:
            instances.add(daemon.instance)
            yield daemon

    return start


@pytest.fixture(scope="package")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon that says no to what its host cannot do: two cores, a gigabyte, ten minutes."""
    with serve(
        RUNSD_CAPACITY__CPU="2",
        RUNSD_CAPACITY__MEMORY="1Gi",
        RUNSD_DEFAULTS__MAX_TIMEOUT_SECONDS="600",
        RUNSD_IMAGES__ALLOW="runsd/*,localhost:1/*",
    ) as daemon:
        yield daemon
