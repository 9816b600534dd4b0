"""A type checker knows what a decorated function takes and returns, here and as a run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_mypy_knows_parameters_and_values() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "tests/unit/sdk/typed.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
