"""What the fault suite may ask for: an Engine that may be harmed, and a play on it or on the host's own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import docker
import pytest

from tests.daemon.harness import Daemon
from tests.faults.engine import PrivateEngine
from tests.faults.proxy import Proxy
from tests.faults.scenarios import FAULTS, play, proxied

Play = Callable[..., None]
ServeProxied = Callable[..., AbstractContextManager[tuple[Daemon, Proxy]]]


@pytest.fixture(scope="session")
def private_engine(docker_client: docker.APIClient, busybox_image: str) -> Iterator[PrivateEngine]:
    """An Engine that may be stopped, killed and frozen. The test needs "private-engine"."""
    with PrivateEngine() as engine:
        engine.start()
        engine.load(busybox_image, docker_client)
        yield engine


@pytest.fixture(scope="session")
def serve_proxied(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    engine_host: str,
    busybox_image: str,
) -> ServeProxied:
    """Start daemons with a proxy before the host's Engine, and with settings."""

    def start(**settings: str) -> AbstractContextManager[tuple[Daemon, Proxy]]:
        directory = tmp_path_factory.mktemp("proxied")
        return proxied(directory, engine_host, docker_client, image=busybox_image, **settings)

    return start


@pytest.fixture
def faults(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, busybox_image: str
) -> Play:
    """Play a kind of fault on a workload; afterwards everything must be as if it had not been."""

    def run(fault: str, *, seed: int, size: int, times: int, seconds: float = 1.0) -> None:
        directory = tmp_path_factory.mktemp("fault")
        where = _where(request, private=FAULTS[fault].private)
        injected, found = play(
            fault, directory, image=busybox_image, seed=seed, size=size, times=times, seconds=seconds, **where
        )
        said = f"{fault}, seed {seed}: {dict(injected)}, {found.runs} runs, {found.log_bytes} bytes of log"
        assert not found.violations, "\n".join([said, *found.violations])
        assert (found.runs, injected[fault]) == (size, times), said

    return run


def _where(request: pytest.FixtureRequest, *, private: bool) -> dict[str, Any]:
    if private:
        return {"engine": request.getfixturevalue("private_engine")}
    return {"host": request.getfixturevalue("engine_host"), "eye": request.getfixturevalue("docker_client")}
