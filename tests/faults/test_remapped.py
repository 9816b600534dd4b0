"""An Engine whose containers have users of their own (userns-remap), and that knows a second runtime."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from runsd_sdk import Unprocessable

from tests.daemon.harness import ENDED_S, GATE, Daemon, eventually
from tests.daemon.test_sandboxes import joined, pool
from tests.faults.engine import FIRST_USER, PrivateEngine

pytestmark = pytest.mark.needs("private-engine")
PROGRAM = """
import logging, os
def f(word):
    logging.getLogger().exception("noted", exc_info=ValueError("kept"))
    return [word, os.getuid(), open("/proc/self/uid_map").read().split()[1]]
"""


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


def test_where_root_is_nobody_on_the_host_runs_do_all_that_they_do_elsewhere(
    daemon: Daemon, python_image: str, tmp_path: Path
) -> None:
    daemon.client.secrets.set("KEY", "not to be seen")
    with daemon.volume("shared") as volume:
        mounts = [{"volumeId": volume.id, "mountPath": "/data"}]
        for user in ("0", "1234:1234"):
            write = "umask 0; mkdir -p /data/all; id -u > /data/all/$(id -u)"
            assert daemon.run("sh", "-c", write, user=user, volume_mounts=mounts).exit_code == 0
        assert eventually(lambda: pool(daemon)["idle"] == 1, within_s=ENDED_S)
        script = f"{GATE} cat /proc/self/uid_map /data/all/* && tr a-z A-Z < /run/secrets/key"
        handle = daemon.submit(
            "sh", "-c", script, volume_mounts=mounts, secrets=[{"name": "KEY", "path": "key"}], user="1000"
        )
        daemon.until(handle.id, "run.running")
        assert joined(daemon, handle.id) is not None
        daemon.open_gate(handle.id)
        result = handle.wait(ENDED_S)
    assert result.stdout.split() == ["0", str(FIRST_USER), "65536", "0", "1234", "NOT", "TO", "BE", "SEEN"]
    assert result.usage is not None
    assert result.usage.memory_peak_bytes
    (tmp_path / "main.py").write_text(PROGRAM)
    source = daemon.client.upload(tmp_path)
    returned = daemon.client.create_and_wait(
        timeout=ENDED_S, image=python_image, source={"upload": source.id}, network="none",
        python={"entrypoint": {"function": "main.py:f", "args": ["word"]}},
        resources={"requests": {"memory": "64Mi"}},
    )  # fmt: skip
    assert returned.return_value == ["word", 0, str(FIRST_USER)], returned.stderr
    assert [problem.message for problem in returned.problems] == ["kept"]
