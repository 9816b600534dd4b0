"""The programs in examples/ do what they say, as a user would start them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import demo
import pytest
from runsd_sdk import RunsClient

EXAMPLES = demo.EXAMPLE.parent


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, engine_host: str, python_image: str, instances: set[str]
) -> Iterator[str]:
    run(EXAMPLES / "walk_forward" / "image.py")
    with demo.daemon(tmp_path_factory.mktemp("runsd")) as host:
        with RunsClient(host) as client:
            instances.add(client.info().instance)
        yield host


@pytest.fixture
def volume(host: str) -> Iterator[str]:
    with RunsClient(host) as client:
        made = client.volumes.create("features")
        yield made.id
        demo.stop_runs(client)
        client.volumes.delete(made.id)


def test_quick_start_prints_an_accuracy(host: str) -> None:
    done = run(EXAMPLES / "quick_start" / "train.py", RUNSD_HOST=host)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Accuracy: 0\.\d+\n", done.stdout)


def test_walk_forward_trains_nine_folds_on_one_cache_and_itemises_the_bill(host: str, volume: str) -> None:
    done = run(
        EXAMPLES / "walk_forward" / "train_parallel.py", "--cpu", "0.25",
        RUNSD_HOST=host, CACHE_VOLUME_ID=volume,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Average accuracy: 0\.[5-9]\d+$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^\s+\d\s.*\$0\.\d+\s*$", done.stdout, re.MULTILINE)) == 9
    with RunsClient(host) as client:
        runs = [run for run in client.iterate() if "FOLD_ID" in run.spec.env]
        makers = [run.id for run in runs if "made /cache/" in client.result(run.id).stderr]
        assert len(runs) == 9
        assert len(makers) == 1


def test_walk_forward_exits_with_1_when_folds_fail(host: str, volume: str) -> None:
    done = run(
        EXAMPLES / "walk_forward" / "train_parallel.py", "--memory", "6Mi",
        RUNSD_HOST=host, CACHE_VOLUME_ID=volume,
    )  # fmt: skip
    assert done.returncode == 1
    assert "9/9 folds failed" in done.stderr
    assert "Average" not in done.stdout


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end."""
    return subprocess.run(
        [sys.executable, *command], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
