"""Images: present or not, pulled from a real registry, open or locked, or from one that is not there."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import docker
import pytest
from runsd_sdk.run import Reason, Status

from tests.conftest import Serve
from tests.daemon.harness import Daemon
from tests.engine import registry
from tests.engine.registry import Registry

pytestmark = pytest.mark.needs("docker-registry")


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry.serve(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="module")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry.serve(tmp_path_factory.mktemp("locked"), locked=True) as served:
        yield served


def test_a_missing_image_is_pulled_and_named_by_its_digest(daemon: Daemon, open_registry: Registry) -> None:
    with pushed(daemon, open_registry) as reference:
        result = daemon.run("cat", "/content", image=reference)
        present = daemon.eye.inspect_image(reference)  # type: ignore[no-untyped-call]
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "pulled")
    assert result.image.id == present["Id"]
    assert [result.image.digest] == present["RepoDigests"]
    types = [event.type for event in daemon.client.events(result.id)]
    assert types.index("run.pulling") < types.index("run.image_ready") < types.index("run.running")


def test_runs_that_need_one_image_at_once_all_get_it(daemon: Daemon, open_registry: Registry) -> None:
    with pushed(daemon, open_registry) as reference:
        spec = daemon.spec("cat", "/content", image=reference)
        results = [handle.wait(60) for handle in daemon.client.create_batch([spec] * 3)]
    assert [result.stdout for result in results] == ["pulled"] * 3


def test_a_locked_registry_opens_to_the_daemons_docker_configuration(
    daemon: Daemon, locked_registry: Registry
) -> None:
    config = daemon.docker_config / "config.json"
    with pushed(daemon, locked_registry) as reference:
        refused = daemon.run("cat", "/content", image=reference)
        locked_registry.write_config(daemon.docker_config)
        try:
            allowed = daemon.run("cat", "/content", image=reference)
        finally:
            config.unlink()
    assert refused.status is Status.FAILED
    assert refused.reason in (Reason.IMAGE_PULL_FAILED, Reason.IMAGE_NOT_FOUND)
    assert "auth" in str(refused.message)
    assert (allowed.status, allowed.stdout) == (Status.SUCCEEDED, "pulled")


def test_an_image_that_the_registry_does_not_have_is_not_found(
    daemon: Daemon, open_registry: Registry
) -> None:
    reference = f"{open_registry.address}/no-such-image:1"
    result = daemon.run("true", image=reference)
    assert (result.status, result.reason) == (Status.FAILED, Reason.IMAGE_NOT_FOUND)
    assert reference in str(result.message)
    assert (result.exit_code, result.started_at, result.usage.cost_usd) == (None, None, "0")


def test_a_registry_that_is_down_is_a_failed_pull(daemon: Daemon) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
        address = "{}:{}".format(*closed.getsockname())
        result = daemon.run("true", image=f"{address}/app:1")
    assert (result.status, result.reason) == (Status.FAILED, Reason.IMAGE_PULL_FAILED)
    assert "refused" in str(result.message)


def test_a_pull_that_stands_still_fails_after_the_inactivity_time(serve: Serve) -> None:
    with serve(RUNSD_ENGINE__PULL_INACTIVITY_SECONDS="1") as daemon, silent_registry() as address:
        result = daemon.run("true", image=f"{address}/app:1")
    assert (result.status, result.reason) == (Status.FAILED, Reason.IMAGE_PULL_FAILED)
    assert "no progress" in str(result.message)


def test_pull_policy_never_does_not_ask_the_registry(daemon: Daemon, open_registry: Registry) -> None:
    with pushed(daemon, open_registry) as reference:
        result = daemon.run("true", image=reference, pull_policy="never")
    assert (result.status, result.reason) == (Status.FAILED, Reason.IMAGE_NOT_FOUND)
    assert "never" in str(result.message)


def test_pull_policy_never_runs_what_is_present(daemon: Daemon) -> None:
    assert daemon.run("true", pull_policy="never").status is Status.SUCCEEDED


def test_pull_policy_decides_whether_a_moved_tag_is_followed(daemon: Daemon, open_registry: Registry) -> None:
    name = f"{uuid.uuid4().hex[:12]}:1"
    with pushed(daemon, open_registry, name, b"old") as reference:
        assert daemon.run("cat", "/content", image=reference).stdout == "old"
        kept = daemon.eye.inspect_image(reference)["Id"]  # type: ignore[no-untyped-call]
        open_registry.push(daemon.eye, name, base=daemon.image, content=b"new")
        daemon.eye.tag(kept, reference)
        missing = daemon.run("cat", "/content", image=reference, pull_policy="missing")
        always = daemon.run("cat", "/content", image=reference, pull_policy="always")
        daemon.eye.remove_image(kept, force=True)
    assert (missing.stdout, always.stdout) == ("old", "new")


@contextmanager
def pushed(
    daemon: Daemon, where: Registry, name: str | None = None, content: bytes = b"pulled"
) -> Iterator[str]:
    """Lend an image that the registry has and the Engine has not; what was pulled is removed."""
    name = name or f"{uuid.uuid4().hex[:12]}:1"
    reference = where.push(daemon.eye, name, base=daemon.image, content=content)
    try:
        yield reference
    finally:
        with suppress(docker.errors.ImageNotFound):
            daemon.eye.remove_image(reference, force=True)


@contextmanager
def silent_registry() -> Iterator[str]:
    """Accept connections and never answer: a network that swallows everything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "{}:{}".format(*server.getsockname())
