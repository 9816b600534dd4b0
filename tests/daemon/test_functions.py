"""Decorated functions, carried out as runs of a real daemon."""

import importlib
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk import RemoteException, RunFailed, RunTimedOut, Status

from tests.daemon.harness import ENDED_S, Daemon

pytestmark = pytest.mark.usefixtures("python_image")

SHARED = "OFFSET = 100\n"
FOLDS = """
import sys, time
from runsd_sdk import RunFailed, RunsClient
from folds.shared import OFFSET

client = RunsClient()
smallest = client.function(image={image!r}, memory="32Mi", cpu=0.1, network="none", user="1000:1000")

@smallest
def fold(number, *, rate=0.5):
    print("fold", number, "of", __name__)
    if number == 5:
        raise ValueError(f"fold {{number}} has no rows")
    return {{"number": number + OFFSET, "rate": rate}}

@smallest
def leaves(code):
    sys.exit(code)

@smallest
def sleeps():
    time.sleep(60)
"""
SCRIPT = """
import asyncio
from runsd_sdk import AsyncRunsClient

client = AsyncRunsClient()

@client.function(image={image!r}, memory="32Mi", cpu=0.1, network="none")
async def twice(x):
    return 2 * x

if __name__ == "__main__":
    async def main():
        print(await twice(1), await twice.remote(2), [value async for value in twice.map([3, 4])])
        await client.close()
    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, python_image: str) -> Path:
    """A directory with a package and a script."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "folds").mkdir()
    (folder / "folds" / "__init__.py").touch()
    (folder / "folds" / "shared.py").write_text(SHARED)
    (folder / "folds" / "train.py").write_text(FOLDS.format(image=python_image))
    (folder / "script.py").write_text(SCRIPT.format(image=python_image))
    return folder


@pytest.fixture(scope="module")
def train(daemon: Daemon, folder: Path) -> Iterator[Any]:
    """The package's module, imported here, with a client that speaks to the daemon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNSD_HOST", f"unix://{daemon.socket}")
        patch.syspath_prepend(folder)
        module = importlib.import_module("folds.train")
        yield module
        module.client.close()
        for name in ("folds", "folds.shared", "folds.train"):
            del sys.modules[name]


def test_a_function_runs_here_and_as_a_run(daemon: Daemon, train: Any) -> None:
    assert train.fold(1) == {"number": 101, "rate": 0.5}
    assert train.fold.remote(1, rate=2.5) == {"number": 101, "rate": 2.5}
    (run, *_) = daemon.client.list(limit=1).data
    assert run.spec.python is not None
    assert run.spec.python.entrypoint.function == "folds.train:fold"
    assert run.spec.resources.requests.cpu_milli == 100


def test_an_exception_arrives_with_its_trace(train: Any) -> None:
    with pytest.raises(RemoteException) as caught:
        train.fold.remote(5)
    error = caught.value
    assert (error.type, error.message) == ("ValueError", "fold 5 has no rows")
    assert error.result.exit_code == 1
    shown = "".join(traceback.format_exception(error))
    assert 'File "/workspace/folds/train.py", line 13, in fold' in shown
    assert "ValueError: fold 5 has no rows" in shown


def test_other_ends_are_those_of_every_run(train: Any) -> None:
    with pytest.raises(RunFailed, match="exited with code 3") as failed:
        train.leaves.remote(3)
    assert type(failed.value) is RunFailed
    with pytest.raises(RunTimedOut):
        train.sleeps.with_options(timeout_seconds=1, stop_grace_seconds=0).remote()


def test_a_spawned_call_is_a_run_with_a_value(train: Any) -> None:
    handle = train.fold.spawn(2)
    assert handle.value(ENDED_S) == {"number": 102, "rate": 0.5}
    assert (
        "".join(entry.text for entry in handle.logs() if entry.stream == "stdout")
        == "fold 2 of folds.train\n"
    )
    assert handle.run.status is Status.SUCCEEDED
    again = handle.rerun(labels={"again": "yes"})
    assert again.value(ENDED_S) == handle.value()


def test_a_map_yields_values_in_order_and_sends_the_source_once(
    daemon: Daemon, train: Any, folder: Path
) -> None:
    (folder / "folds" / "shared.py").write_text("OFFSET = 200\n")  # not seen: it has been sent
    values = list(train.fold.map(range(1, 10), timeout=ENDED_S, return_exceptions=True))
    (folder / "folds" / "shared.py").write_text(SHARED)
    failure = values.pop(4)
    assert isinstance(failure, RemoteException)
    assert [value["number"] for value in values] == [101, 102, 103, 104, 106, 107, 108, 109]
    sources = {run.spec.source.upload for run in daemon.client.iterate() if run.spec.source}
    assert len(sources) == 1
    with pytest.raises(RemoteException, match="fold 5 has no rows"):
        list(train.fold.map([4, 5]))


def test_a_source_that_the_daemon_has_no_more_is_sent_again(daemon: Daemon, train: Any) -> None:
    train.fold.spawn(1).value(ENDED_S)
    for upload in (daemon.directory / "data" / "sources" / "uploads").glob("src_*"):
        shutil.rmtree(upload)
    assert [value["number"] for value in train.fold.map([1, 2])] == [101, 102]


def test_a_script_runs_its_functions_elsewhere_and_its_main_part_here(daemon: Daemon, folder: Path) -> None:
    environment = {**os.environ, "RUNSD_HOST": f"unix://{daemon.socket}"}
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("2 4 [6, 8]\n", "")
