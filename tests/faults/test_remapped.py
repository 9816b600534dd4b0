"""An Engine whose containers have users of their own (userns-remap), and that knows a second runtime."""

import shutil
from collections.abc import Iterator

import docker
import pytest
from runsd_sdk import Unprocessable

from tests.daemon.harness import ENDED_S, GATE, Daemon, eventually
from tests.daemon.test_sandboxes import pool
from tests.faults.engine import PrivateEngine

pytestmark = pytest.mark.needs("private-engine")


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory,
    docker_client: docker.APIClient,
    busybox_image: str,
    python_image: str,
) -> Iterator[Daemon]:
    """A daemon on such an Engine, which lets runs choose the second runtime, and one that is not there."""
    with PrivateEngine("--add-runtime", f"other={shutil.which('runc')}", remapped=True) as engine:
        engine.start()
        for image in (busybox_image, python_image):
            engine.load(image, docker_client)
        with Daemon(
            tmp_path_factory.mktemp("remapped"), engine.eye, engine.host, image=busybox_image,
            RUNSD_SANDBOX__POOL="1", RUNSD_CONTAINERS__RUNTIMES="other,absent",
        ) as daemon:  # fmt: skip
            yield daemon


def test_a_run_has_the_runtime_that_it_names_and_no_sandbox_of_another(daemon: Daemon) -> None:
    daemon.run("true")
    assert eventually(lambda: pool(daemon)["idle"] == 1, within_s=ENDED_S)
    handle = daemon.submit("sh", "-c", GATE + "echo done", runtime="other")
    daemon.until(handle.id, "run.running")
    host = daemon.inspect(handle.id)["HostConfig"]
    assert (host["Runtime"], host["NetworkMode"]) == ("other", "none")
    daemon.open_gate(handle.id)
    result = handle.wait(ENDED_S)
    assert (result.exit_code, result.stdout) == (0, "done\n")
    assert daemon.client.get(handle.id).spec.runtime == "other"
    assert "absent" in (daemon.run("true", runtime="absent").message or "")
    with pytest.raises(Unprocessable, match="runtime must be one of other, absent, or left out"):
        daemon.submit("true", runtime="runc")
