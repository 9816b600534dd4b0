"""The Engine does what it was asked, and its answer is lost on the way: what was done is found out."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from runsd_sdk.run import Reason

from tests.daemon.harness import Daemon, container_name, first_line
from tests.faults.proxy import Proxy

TICKS = "while :; do echo x; sleep 0.1; done"


@pytest.fixture
def proxied(
    tmp_path: Path, docker_client: docker.APIClient, engine_host: str, busybox_image: str
) -> Iterator[tuple[Daemon, Proxy]]:
    """A daemon with a proxy before its Engine."""
    with (
        Proxy(Path(engine_host.removeprefix("unix://")), tmp_path / "engine.sock") as proxy,
        Daemon(tmp_path, docker_client, proxy.host, image=busybox_image) as daemon,
    ):
        yield daemon, proxy


def test_of_a_signal_the_run_that_it_stopped_is_cancelled(proxied: tuple[Daemon, Proxy]) -> None:
    daemon, proxy = proxied
    handle = daemon.submit("sh", "-c", TICKS)
    first_line(handle)
    daemon.until(handle.id, "run.running")
    with proxy.hold("kill", forwarded=True) as hold:
        handle.cancel()
        hold.await_held()
        assert daemon.eye.wait(container_name(handle.id), timeout=60)["StatusCode"] == 143
    result = handle.wait(60)
    assert (result.reason, result.exit_code) == (Reason.CANCELLED, 143)
