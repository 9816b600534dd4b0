"""One daemon that must bear everything here, and a network in which runs cannot reach each other."""

import uuid
from collections.abc import Iterator

import docker
import pytest

from tests.conftest import Serve
from tests.daemon.harness import Daemon

MOST_PROCESSES = 64
MOST_LOG_BYTES = 1024**2
_NO_NEIGHBOURS = {"com.docker.network.bridge.enable_icc": "false"}


@pytest.fixture(scope="package")
def apart(docker_client: docker.APIClient) -> Iterator[str]:
    """A network as docs/security.md advises: containers reach the world, and not each other."""
    name = f"runsd-test-{uuid.uuid4().hex[:12]}"
    docker_client.create_network(name, driver="bridge", options=_NO_NEIGHBOURS)
    yield name
    docker_client.remove_network(name)


@pytest.fixture(scope="package")
def daemon(serve: Serve, apart: str) -> Iterator[Daemon]:
    """A daemon whose runs have few processes and little room for output."""
    with serve(
        RUNSD_NETWORK__ALLOW=apart,
        RUNSD_CONTAINERS__MAX_PROCESSES=str(MOST_PROCESSES),
        RUNSD_LOGS__MAX_BYTES_PER_ATTEMPT=str(MOST_LOG_BYTES),
    ) as daemon:
        yield daemon


@pytest.fixture(autouse=True)
def _unharmed(daemon: Daemon) -> Iterator[None]:
    """After everything here the daemon is well, and carries out a run."""
    yield
    assert daemon.client.health().status == "ok"
    assert daemon.run("echo", "unharmed").stdout == "unharmed\n"
