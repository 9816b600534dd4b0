"""Runs of a private repository: opened by a secret, which nobody sees, and closed to whoever has none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk import Reason, RunHandle, Status, Unprocessable

from tests.conftest import Serve
from tests.daemon.command import runs
from tests.daemon.harness import ENDED_S, GATE, Daemon
from tests.daemon.prying import Prying
from tests.daemon.repository import commit, git, made
from tests.sources.repository import served_as_files

HUSH = "correct-horse-battery-staple"
PROGRAM = """
import os
def main():
    everything = [open("/proc/self/environ").read(), *os.environ.values()]
    for folder, _, names in (*os.walk("/workspace"), *os.walk("/run")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                everything.append(file.read().decode("latin-1"))
    return any("-".join(("correct", "horse")) in text for text in everything)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("www")
    made(folder / "private", {"main.py": PROGRAM})
    git(folder / "private", "update-server-info")
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served_as_files(folder, login=f"bot:{HUSH}") as (port, _):
        yield f"http://127.0.0.1:{port}/private/.git"


@pytest.fixture(scope="module")
def daemon(serve: Serve, python_image: str) -> Iterator[Daemon]:
    with serve() as daemon:
        daemon.image = python_image
        yield daemon


def submitted(daemon: Daemon, url: str, secret: str | None, **spec: Any) -> RunHandle:
    git_source = {"url": url, "ref": "main", "secret": secret}
    python = {"entrypoint": {"function": "main.py:main"}}
    return daemon.client.create(
        image=daemon.image, network="none", source={"git": git_source}, python=python, **spec
    )


def test_a_secret_opens_it_and_shows_nowhere(daemon: Daemon, folder: Path, url: str) -> None:
    client, prying = daemon.client, Prying(daemon, HUSH, "wrong-horse")
    with pytest.raises(Unprocessable, match="there is no secret 'GIT'"):
        submitted(daemon, url, "GIT")
    client.secrets.set("GIT", "bot:wrong-horse")
    client.secrets.set("OTHER", "bot:guess")
    refused = submitted(daemon, url, "GIT").wait(ENDED_S)
    assert (refused.status, refused.reason) == (Status.FAILED, Reason.SOURCE_FAILED)
    assert "name a secret" in (refused.message or "")
    assert prying.in_answers(refused.id) == []

    client.secrets.set("GIT", f"bot:{HUSH}")
    opened = submitted(daemon, url, "GIT")
    result = opened.wait(ENDED_S, check=True)
    assert result.return_value is False, "the program itself is not given it"
    first = result.source_commit
    assert client.get(opened.id).spec.source.model_dump(exclude_none=True) == {  # type: ignore[union-attr]
        "git": {"url": url, "ref": "main", "secret": "GIT"}
    }
    for secret in ("OTHER", None):  # the files of that commit are here by now, but not for these
        source = {"git": {"url": url, "ref": first, "secret": secret}}
        closed = opened.rerun(source=source).wait(ENDED_S)
        assert (closed.reason, closed.return_value) == (Reason.SOURCE_FAILED, None)

    commit(folder / "private", {"main.py": PROGRAM + "\n"})
    git(folder / "private", "update-server-info")
    again = opened.rerun().wait(ENDED_S, check=True)
    assert again.source_commit == first
    client.secrets.delete("GIT")
    with pytest.raises(Unprocessable, match="there is no secret 'GIT'"):
        opened.rerun()
    assert prying.in_answers(opened.id) == []
    assert prying.in_files() == []


def test_nothing_of_it_is_in_the_container(daemon: Daemon, folder: Path, url: str) -> None:
    daemon.client.secrets.set("GIT", f"bot:{HUSH}")
    source = f"import subprocess\ndef main(): subprocess.run(['sh', '-c', {GATE!r} + ':'])\n"
    commit(folder / "private", {"main.py": source})
    git(folder / "private", "update-server-info")
    words = ["py", "-d", "--git", f"{url}@main", "--git-secret", "GIT", "--image", daemon.image]
    done = runs(daemon, *words, "--network", "none", "main.py:main")
    handle = daemon.client.handle(done.stdout.strip())
    daemon.until(handle.id, "run.running")
    record = daemon.inspect(handle.id)
    image = daemon.eye.inspect_image(record["Image"]), daemon.eye.history(record["Image"])
    prying = Prying(daemon, HUSH)
    assert not prying.in_engine(record)
    assert not prying.in_engine(image)
    daemon.open_gate(handle.id)
    assert handle.wait(ENDED_S).status is Status.SUCCEEDED


def test_a_token_in_an_address_is_refused_with_the_remedy_and_not_repeated(daemon: Daemon) -> None:
    python = {"entrypoint": {"module": "a"}}
    body = {"python": python, "source": {"git": {"url": f"https://{HUSH}@example.org/a"}}}
    for path, sent in (("/v1/runs", body), ("/v1/tasks", {"name": "told", "spec": body})):
        refused = daemon.http.post(path, json=sent)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["loc"][-1] == "source"
        assert "name that in source.git.secret" in refused.json()["detail"]
        assert HUSH not in refused.text


@pytest.mark.parametrize("url", ["http://example.org/a", "git://example.org/a"])
def test_an_address_that_would_give_it_away_is_refused_at_once(daemon: Daemon, url: str) -> None:
    daemon.client.secrets.set("GIT", HUSH)
    with pytest.raises(Unprocessable, match="a secret is for https and ssh"):
        submitted(daemon, url, "GIT")
