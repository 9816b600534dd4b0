"""Files that lead astray: in volumes, in uploads, in the places from which runsd reads."""

import io
import tarfile
from pathlib import Path

import images
import pytest

from tests.daemon.harness import Daemon, mount


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host that no run may read or change."""
    file = tmp_path / "secret"
    file.write_text("of the host\n")
    return file


def test_links_in_a_volume_lead_into_the_container_of_who_follows_them(daemon: Daemon, secret: Path) -> None:
    lay = f"""
    cd /v; ln -s {secret} absolute; ln -s ../../../../../../../..{secret} relative
    ln -s /proc/1/root{secret} through-proc; ln -s / root; ln -s /var/run/docker.sock socket
    ln /proc/1/environ hard 2>/dev/null; mknod disk b 8 0 2>/dev/null; ls
    """
    follow = f"""
    cd /v; cat absolute relative through-proc root{secret}; echo mine > absolute
    ls socket; ls root/etc/docker /proc/1/root{secret.parent}
    echo "$(ls root)" | grep -q proc && echo followed
    """
    with daemon.volume("astray") as volume:
        laid = daemon.run("sh", "-c", lay, volumeMounts=[mount(volume, "/v")])
        assert laid.stdout.split() == ["absolute", "relative", "root", "socket", "through-proc"]
        result = daemon.run("sh", "-c", follow, volumeMounts=[mount(volume, "/v")])
    assert result.stdout == "followed\n"
    assert secret.read_text() == "of the host\n"


def test_no_place_of_the_host_can_be_mounted(daemon: Daemon) -> None:
    for source in ("/", "/var/run/docker.sock", "..", "/etc:ro", str(daemon.socket)):
        mounts = [{"volumeId": source, "mountPath": "/v"}]
        answer = daemon.http.post("/v1/runs", json=daemon.spec("true", volumeMounts=mounts))
        assert answer.json()["errors"][0]["loc"] == ["volumeMounts", 0, "volumeId"]
        assert daemon.http.post("/v1/volumes", json={"name": source}).status_code == 422
    bind = {"name": "v", "driverOpts": {"type": "none", "o": "bind", "device": "/"}}
    assert daemon.http.post("/v1/volumes", json=bind).status_code == 422
    for path in ("/proc/sys", "/sys/fs/cgroup", "/dev", "/run/runsd/out", "/run/secrets", "/"):
        mounts = [{"volumeId": "v", "mountPath": path}]
        answer = daemon.http.post("/v1/runs", json=daemon.spec("true", volumeMounts=mounts))
        assert answer.json()["errors"][0]["loc"] == ["volumeMounts", 0, "mountPath"]


@pytest.mark.usefixtures("python_image")
def test_an_upload_cannot_say_one_thing_to_runsd_and_another_to_the_engine(
    daemon: Daemon, secret: Path
) -> None:
    """Two readers of an archive may differ: what a header hides from one must not lead the other out."""
    program = b"import os\nprint(sorted(os.listdir()), os.path.exists('/escaped'))\n"
    for name, extended in (
        ("../escaped", {"path": "inner"}),
        ("inner", {"path": "../../escaped"}),
        ("inner", {"path": "/escaped"}),
        ("inner", {"linkpath": "/etc", "path": "inner"}),
        ("inner\0/../../escaped", {}),
    ):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, headers in (("main.py", {}), (name, extended)):
                entry = tarfile.TarInfo(path)
                entry.size, entry.pax_headers = len(program), dict(headers)
                tar.addfile(entry, io.BytesIO(program))
        answer = daemon.http.post(
            "/v1/sources", content=made.getvalue(), headers={"Content-Type": "application/x-tar"}
        )
        if answer.status_code == 422:
            continue
        result = daemon.client.create_and_wait(
            timeout=60, image=images.PYTHON, source={"upload": answer.json()["id"]},
            python={"entrypoint": {"file": "main.py"}}, resources={"requests": {"memory": "64Mi"}},
        )  # fmt: skip
        assert result.stdout == "['inner', 'main.py'] False\n", (name, extended)


@pytest.mark.usefixtures("python_image")
def test_a_result_that_is_a_link_gives_nothing_of_the_host(daemon: Daemon, secret: Path) -> None:
    made = io.BytesIO()
    program = f"""
import atexit, os
def f():
    out = "/run/runsd/out"
    for name in ("result.json", "problems.jsonl"):
        os.path.lexists(f"{{out}}/{{name}}") and os.remove(f"{{out}}/{{name}}")
        os.symlink({str(secret)!r}, f"{{out}}/{{name}}")
    os._exit(0)
""".encode()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("main.py")
        entry.size = len(program)
        tar.addfile(entry, io.BytesIO(program))
    sent = daemon.http.post(
        "/v1/sources", content=made.getvalue(), headers={"Content-Type": "application/x-tar"}
    )
    result = daemon.client.create_and_wait(
        timeout=60, image=images.PYTHON, source={"upload": sent.json()["id"]},
        python={"entrypoint": {"function": "main.py:f"}}, resources={"requests": {"memory": "64Mi"}},
    )  # fmt: skip
    assert (result.exit_code, result.return_value, list(result.problems)) == (0, None, [])
