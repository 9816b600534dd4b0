"""Python runs as their owners see them: entrypoints, sources, results, problems, reruns."""

from pathlib import Path

import images
import pytest
from runsd_sdk import GitSource, Reason, RunResult, SourceSpec, Status

from tests.conftest import Serve
from tests.daemon.command import runs
from tests.daemon.harness import Daemon
from tests.daemon.repository import commit, made

pytestmark = pytest.mark.usefixtures("python_image")

PROGRAM = """
import json, sys
from dataclasses import dataclass

@dataclass
class Fold:
    number: int
    accuracy: float

def train(fold, *, rate=0.1):
    print("training", fold)
    return Fold(fold, rate)

async def later(x):
    return [x, x]

def breaks():
    raise KeyError("nothing here")

if __name__ == "__main__":
    print(json.dumps(sys.argv[1:]))
    sys.exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a program in it."""
    folder = tmp_path / "work"
    (folder / "package").mkdir(parents=True)
    (folder / "train.py").write_text(PROGRAM)
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "job.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    return folder


def run(daemon: Daemon, folder: Path, **entrypoint: object) -> RunResult:
    """Upload a directory and run something in it."""
    source = daemon.client.upload(folder)
    return daemon.client.create_and_wait(
        timeout=60, image=images.PYTHON, source={"upload": source.id}, python={"entrypoint": entrypoint}
    )


def test_a_file_gets_its_arguments_and_exits_as_under_python(daemon: Daemon, folder: Path) -> None:
    result = run(daemon, folder, file="train.py", args=["--fold", "3"])
    assert (result.status, result.exit_code, result.stdout) == (Status.FAILED, 7, '["--fold", "3"]\n')


def test_an_image_that_was_made_of_a_program_is_nobodys_to_name(daemon: Daemon, folder: Path) -> None:
    result = run(daemon, folder, file="train.py")
    assert result.image is not None
    made = result.image.id
    (name, *_) = daemon.eye.inspect_image(made)["RepoTags"]
    for reference in (made, made.removeprefix("sha256:")[:12], name):
        refused = daemon.run("cat", "/workspace/train.py", image=reference)
        assert (refused.reason, refused.stdout) == (Reason.IMAGE_NOT_FOUND, "")
        assert "somebody's program" in (refused.message or "")


def test_a_module_runs_as_with_m(daemon: Daemon, folder: Path) -> None:
    result = run(daemon, folder, module="package.job", args=["a"])
    assert (result.exit_code, result.stdout) == (0, "__main__ ['a']\n")


def test_a_function_returns_its_value(daemon: Daemon, folder: Path) -> None:
    result = run(daemon, folder, function="train.py:train", args=[4], kwargs={"rate": 0.5})
    assert result.return_value == {"number": 4, "accuracy": 0.5}
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "training 4\n")
    assert run(daemon, folder, function="train:later", args=["x"]).return_value == ["x", "x"]


def test_arguments_that_do_not_fit_are_named_before_the_body_runs(daemon: Daemon, folder: Path) -> None:
    result = run(daemon, folder, function="train.py:train", kwargs={"rat": 1})
    assert result.status is Status.FAILED
    assert result.stdout == ""
    assert "rat" in result.stderr


def test_an_exception_is_a_problem_with_its_trace(daemon: Daemon, folder: Path) -> None:
    result = run(daemon, folder, function="train.py:breaks")
    assert (result.exit_code, result.return_value) == (1, None)
    (problem,) = result.problems
    assert (problem.type, problem.origin, problem.count) == ("KeyError", "uncaught", 1)
    assert "train.py" in problem.stacktrace
    assert daemon.client.problems(result.id).data == [problem]


def test_the_program_needs_no_source(daemon: Daemon) -> None:
    result = daemon.client.create_and_wait(
        image=images.PYTHON, python={"entrypoint": {"function": "json:dumps", "args": [{"a": 1}]}}
    )
    assert result.return_value == '{"a": 1}'


def test_a_rerun_stays_with_the_commit_unless_it_names_a_source(
    serve: Serve, folder: Path, python_image: str
) -> None:
    settled = made(folder)
    with serve(RUNSD_SOURCES__LOCAL=str(folder.parent)) as daemon:
        source = {"git": {"url": str(folder), "ref": "main"}}
        spec = {"image": python_image, "source": source}
        called = {"entrypoint": {"module": "package.job"}}
        first = daemon.client.create(**spec, python=called).wait(60, check=True)
        assert first.source_commit == settled
        moved = commit(folder, {"package/job.py": "print('moved')\n"})
        again = daemon.client.rerun(first.id).wait(60, check=True)
        assert (again.source_commit, again.stdout) == (first.source_commit, first.stdout)
        (together,) = daemon.client.rerun_batch([first.id])
        assert together.wait(60, check=True).source_commit == settled
        newer = daemon.client.rerun(first.id, source=source).wait(60, check=True)
        assert (newer.source_commit, newer.stdout) == (moved, "moved\n")
        missing = daemon.client.rerun(first.id, source={"git": {"url": str(folder), "ref": "no-such"}})
        result = missing.wait(60)
        assert result.reason is Reason.SOURCE_FAILED
        assert "no-such" in (result.message or "")


def test_a_program_without_a_source_is_in_its_projects_repository(
    serve: Serve, folder: Path, python_image: str
) -> None:
    settled = made(folder)
    with serve(RUNSD_SOURCES__LOCAL=str(folder.parent)) as daemon:
        refused = runs(daemon, "project", "set", "default", "--git", "/etc/code.git")
        assert "cannot use this repository" in refused.stderr
        assert runs(daemon, "project", "set", "default", "--git", f"{folder}@main").returncode == 0
        assert f"{folder}@main" in runs(daemon, "project", "show", "default").stdout
        words = ("py", "--image", python_image, "--git", "default", "train.py", "--", "4")
        assert runs(daemon, *words).stdout == '["4"]\n'
        run = daemon.client.list().data[0]
        assert (run.spec.source, run.source_commit) == (
            SourceSpec(git=GitSource(url=str(folder), ref="main")), settled,
        )  # fmt: skip
        bare = daemon.client.create_python(None, module="platform", image=python_image).wait(60)
        assert (bare.exit_code, bare.spec.source) == (0, None)
        daemon.client.projects.set_repository("default", None)
        assert daemon.client.projects.get("default").repository is None


def test_the_sdk_takes_a_program_and_a_directory(daemon: Daemon, folder: Path) -> None:
    handle = daemon.client.create_python(
        folder, function="train.py:train", args=[1], kwargs={"rate": 2.5}, image=images.PYTHON, name="fold"
    )
    result = handle.wait(60, check=True)
    assert (result.name, result.return_value) == ("fold", {"number": 1, "accuracy": 2.5})
    bare = daemon.client.create_python(None, module="platform", image=images.PYTHON)
    assert "Linux" in bare.wait(60, check=True).stdout


def test_the_command_says_what_a_function_returned(daemon: Daemon, folder: Path) -> None:
    done = runs(
        daemon, "py", f"{folder}/train.py:train", "--arg", "4", "--image", images.PYTHON, cwd=folder
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "training 4\n")
    assert 'runs: train.py:train returned {"number": 4, "accuracy": 0.1}\n' in done.stderr
