"""The fault points: no step without its two, and none that does anything unasked."""

import inspect
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runsd import faults
from runsd.engine.docker import DockerEngine
from runsd.engine.port import Engine
from runsd.faults import Step
from runsd.sqlite import Sqlite

# What only looks; every other method of the port leaves a trace and is a step.
LOOKS = {
    "ping", "facts", "overdue", "image", "inspect", "containers", "sample", "volume_exists", "logs", "close",
    "gateway", "network", "images", "take_file", "copy_file",
}  # fmt: skip
METHODS = sorted(name for name, _ in inspect.getmembers(Engine, inspect.isfunction) if name[0] != "_")
PASSAGE = "from runsd import faults; faults.before(faults.Step.FINISH); faults.after(faults.Step.FINISH)"


def test_no_commit_is_without_a_step() -> None:
    step = inspect.signature(Sqlite.write).parameters["step"]
    assert step.annotation is Step
    assert step.default is inspect.Parameter.empty


@pytest.mark.parametrize("name", METHODS)
def test_a_call_of_the_engine_looks_or_is_a_step(name: str) -> None:
    steps = named_in(inspect.getsource(getattr(DockerEngine, name)))
    assert bool(steps) != (name in LOOKS), f"{name} passes {steps or 'no step'}"


def test_every_step_is_taken_somewhere() -> None:
    house = Path(faults.__file__).parent
    texts = [file.read_text() for file in house.rglob("*.py") if file.name != "faults.py"]
    assert named_in("".join(texts)) == {step.name for step in Step}


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ("", 0),
        ("before:start", 0),
        ("before:finish", -signal.SIGKILL),
        ("after:finish", -signal.SIGKILL),
        ("after:finish#2", 0),
        ("nonsense", 0),
    ],
)
def test_a_process_dies_at_the_point_that_was_asked_for_and_at_no_other(wish: str, code: int) -> None:
    environment = {**os.environ, faults.VARIABLE: wish}
    assert subprocess.run([sys.executable, "-c", PASSAGE], env=environment, check=False).returncode == code


def named_in(text: str) -> set[str]:
    """Return the names of the steps that a piece of source mentions."""
    return set(re.findall(r"\bStep\.([A-Z_]+)", text))
