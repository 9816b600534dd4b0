"""The daemon as the unit confines it: Python runs need git, uv and a place to work there too."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import images
import pytest
from runsd_sdk import Status

from tests.daemon.harness import Daemon
from tests.environments import wheels
from tests.service import confined
from tests.sources.repository import Repository, git, served_as_files

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "runsd.service"
NOBODY = 65534
PROGRAM = """
import os, small

def where():
    print("as", os.getuid())
    open("left", "w").close()
    return [small.version, sorted(os.listdir("."))]
"""


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """What the host has for the daemon, and the daemon may only read."""
    given = tmp_path / "given"
    wheels.wheel(given / "wheels", "small")
    (given / "gitconfig").write_text("[safe]\n\tdirectory = *\n")
    return given


@pytest.fixture
def repository(given: Path) -> Repository:
    """A repository with a program, which belongs to somebody else."""
    made = Repository(given / "www" / "work")
    made.commit(program__py=PROGRAM)
    git(made.path, "update-server-info")
    for path in (made.path, *made.path.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return made


@pytest.fixture
def daemon(
    tmp_path: Path,
    given: Path,
    docker_client: docker.APIClient,
    engine_host: str,
    instances: set[str],
    python_image: str,
) -> Iterator[Daemon]:
    """A daemon that may do and see what the unit lets it."""
    directory = tmp_path / "runsd"
    directory.mkdir()
    daemon = Daemon(
        directory, docker_client, engine_host, image=python_image,
        RUNSD_ENVIRONMENTS__FIND_LINKS=str(given / "wheels"), RUNSD_ENVIRONMENTS__NO_INDEX="true",
        RUNSD_SOURCES__LOCAL=str(given / "www"), RUNSD_SOURCES__GIT_CONFIG=str(given / "gitconfig"),
        RUNSD_DEFAULTS__MEMORY="128Mi",
    )  # fmt: skip
    readable = {Path(sys.base_prefix), Path(sys.prefix), ROOT, given}
    daemon.prefix = [
        sys.executable, str(Path(confined.__file__)), "--unit", str(UNIT), "--writable", str(directory),
        *(word for path in sorted(readable) for word in ("--readable", str(path))), "--",
    ]  # fmt: skip
    with daemon:
        instances.add(daemon.instance)
        yield daemon


@pytest.mark.needs("root", "mounts", "systemd-analyze", "libseccomp")
def test_a_confined_daemon_fetches_sources_and_packages(
    repository: Repository, daemon: Daemon, tmp_path: Path
) -> None:
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    assert "Seccomp:\t2" in status, "it is confined"
    assert "CapEff:\t0000000000080000" in status, "as is CAP_SYS_PTRACE, and nothing else"
    with served_as_files(repository.path.parent) as (port, _):
        for url in (f"http://127.0.0.1:{port}/work/.git", str(repository.path)):
            result = daemon.client.create_and_wait(
                timeout=60, image=images.PYTHON, user=str(NOBODY), source={"git": {"url": url}},
                python={"entrypoint": {"function": "program.py:where"}, "dependencies": ["small"]},
            )  # fmt: skip
            assert result.status is Status.SUCCEEDED, (result.message, result.stderr)
            assert result.return_value == ["1.0", ["left", "program.py"]]
            assert result.stdout == f"as {NOBODY}\n", "others than root may read what was made for it"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "program.py").write_text(PROGRAM)
    upload = daemon.client.upload(tmp_path / "work")
    result = daemon.client.create_and_wait(
        timeout=60, image=images.PYTHON, user=str(NOBODY), source={"upload": upload.id},
        python={"entrypoint": {"function": "program.py:where"}, "dependencies": ["small"]},
    )  # fmt: skip
    assert result.status is Status.SUCCEEDED, (result.message, result.stderr)


def test_what_the_confinement_does_not_know_it_refuses(tmp_path: Path) -> None:
    unit = tmp_path / "runsd.service"
    unit.write_text(f"{UNIT.read_text()}\n[Service]\nProtectProc=invisible\n")
    with pytest.raises(SystemExit, match="ProtectProc is not known"):
        confined.directives(unit)
