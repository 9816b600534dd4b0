"""The benchmarks measure what is there, in the smallest of scales, and leave nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import docker

ROOT = Path(__file__).resolve().parents[2]


def test_single_runs_are_measured_beside_the_raw_engine(
    docker_client: docker.APIClient, busybox_image: str, tmp_path: Path
) -> None:
    before = {each["Id"] for each in docker_client.containers(all=True)}
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks", "--scale", "smallest", "--only", "single",
            "--without-podman", "--results", str(tmp_path),
        ],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "scripts"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "smallest.json").read_text())
    figures = {each["key"]: each for each in measured["figures"]}
    for key in ("single.none.raw", "single.bridge.raw"):
        assert all(value > 0 for value in figures[key]["runsd"] + figures[key]["other"]), key
        assert figures[key]["title"] in done.stdout
    assert {each["Id"] for each in docker_client.containers(all=True)} <= before
