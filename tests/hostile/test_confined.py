"""A host whose administrator lets runs do as little as possible: they still run."""

import io
import json
import tarfile

import images
import pytest
from runsd_sdk import NewHook

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S

PROGRAM = b"""
import logging, os, pathlib

def write(path):
    try:
        pathlib.Path(path, "file").write_text("x")
    except OSError as failure:
        return type(failure).__name__
    return "written"

def f():
    logging.getLogger().exception("noted", exc_info=ValueError("kept"))
    status = pathlib.Path("/proc/self/status").read_text()
    effective = status.partition("CapEff:")[2].split()[0]
    places = (".", "/", "/var/tmp", "/tmp", "/dev/shm")
    return os.getuid(), int(effective, 16), [write(path) for path in places]

def hooked():
    came = [pathlib.Path("/run/runsd", name).read_text() for name in ("webhook.json", "webhook-headers.json")]
    given = os.environ["TOKEN"], pathlib.Path("/run/secrets/key").read_text()
    return [*came, *(value[::-1] for value in given), write("/run/secrets"), write("/run/runsd/secrets")]
"""


@pytest.mark.usefixtures("python_image")
def test_where_nobody_is_root_and_files_are_read_only_programs_give_their_results(
    serve: Serve,
) -> None:
    with serve(
        RUNSD_CONTAINERS__USER="1000:1000",
        RUNSD_CONTAINERS__ALLOW_ROOT="false",
        RUNSD_CONTAINERS__READ_ONLY="true",
        RUNSD_CONTAINERS__RUNTIME="io.containerd.runc.v2",
    ) as daemon:
        source = daemon.http.post(
            "/v1/sources", content=_packed(), headers={"Content-Type": "application/x-tar"}
        ).json()
        result = daemon.client.create_and_wait(
            timeout=60, image=images.PYTHON, source={"upload": source["id"]}, network="none",
            python={"entrypoint": {"function": "main.py:f"}}, resources={"requests": {"memory": "64Mi"}},
        )  # fmt: skip
        assert result.return_value == [1000, 0, ["OSError", "OSError", "OSError", "written", "written"]]
        assert [problem.message for problem in result.problems] == ["kept"]
        show = daemon.spec("cat", "/run/runsd/webhook.json")
        hook = daemon.client.tasks.create("hooked", webhook=True, **show).webhook
        assert isinstance(hook, NewHook)
        taken = daemon.http.post(hook.path, content=b"from outside").json()["runId"]
        daemon.client.wait(taken, ENDED_S)
        assert daemon.client.result(taken).stdout == "from outside"
        for name in ("TOKEN", "KEY"):
            daemon.client.secrets.set(name, f"value of {name}")
        hooked = daemon.client.tasks.create(
            "program", webhook=True, image=images.PYTHON, source={"upload": source["id"]}, network="none",
            python={"entrypoint": {"function": "main.py:hooked"}},
            secrets=["TOKEN", {"name": "KEY", "path": "key"}], resources={"requests": {"memory": "64Mi"}},
        ).webhook  # fmt: skip
        assert isinstance(hooked, NewHook)
        headers = {"X-GitHub-Event": "push", "Content-Type": "text/plain"}
        taken = daemon.http.post(hooked.path, content=b"came", headers=headers).json()["runId"]
        daemon.client.wait(taken, ENDED_S)
        value = daemon.client.result(taken).return_value
        assert isinstance(value, list)
        body, told, *rest = value
        assert body == "came" and json.loads(str(told))["x-github-event"] == "push"
        assert rest == ["NEKOT fo eulav", "YEK fo eulav", "OSError", "OSError"]
        answer = daemon.http.post("/v1/runs", json=daemon.spec("true", user="root"))
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["user"])


def _packed() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("main.py")
        entry.size = len(PROGRAM)
        tar.addfile(entry, io.BytesIO(PROGRAM))
    return made.getvalue()
