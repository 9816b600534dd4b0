"""The runner works from Python 3.8 on: it has no newer syntax, and runs on whatever other Python is here."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runsd.problems import grouped
from tests.unit.runner.programs import RUNNER, plain, run, write

PROGRAM = """
    import asyncio, logging, multiprocessing, sys
    from dataclasses import dataclass
    @dataclass
    class Point:
        x: float
    def fail(): raise ValueError("no good")
    def log():
        try:
            fail()
        except ValueError:
            logging.exception("failed")
    def double(x):
        log()
        return 2 * x
    def work(n):
        found = [Point(1.5)]
        for method in ("fork", "spawn"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                found += pool.map(double, [n])
        return found
    async def later(): fail()
    if __name__ == "__main__":
        print(sys.argv, __file__, work(1))
        fail()
"""
DECORATED = """
    from runsd_sdk import GitSource, RunsClient
    from runsd_sdk.errors import RunFailed
    client = RunsClient()
    @client.function(source=GitSource(url="https://example.org/code.git"))
    def double(x):
        try:
            return double.remote(x)
        except RunFailed:
            return 0
        except RuntimeError:
            return 2 * x
"""


def other_pythons() -> dict[str, str]:
    """Find the oldest and the newest other Python from 3.8 on."""
    found: dict[int, str] = {}
    names = [f"python3.{minor}" for minor in range(8, 16)] + ["python3"]
    paths = [path for name in names if (path := shutil.which(name, path=f"/usr/local/bin:/usr/bin:{HOMES}"))]
    for path in paths:
        asked = subprocess.run([path, "-V"], capture_output=True, text=True, check=False)
        version = re.search(r"3\.(\d+)", asked.stdout)
        if version and asked.returncode == 0 and 8 <= int(version[1]) != sys.version_info.minor:
            found.setdefault(int(version[1]), path)
    return {f"3.{minor}": found[minor] for minor in found if minor in (min(found), max(found))}


HOMES = ":".join(str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin"))
OTHERS = other_pythons()


@pytest.mark.parametrize("file", ["runner.py", "sdk/runsd_sdk.py"])
def test_there_is_no_syntax_that_python_3_8_lacks(file: str) -> None:
    ast.parse((RUNNER.parent / file).read_text(), feature_version=(3, 8))


@pytest.mark.skipif(not OTHERS, reason="no other Python here")
@pytest.mark.parametrize("version", OTHERS)
def test_another_python_runs_files_and_functions(version: str, tmp_path: Path) -> None:
    source, python = tmp_path / "source", OTHERS[version]
    write(source, {"work/a.py": PROGRAM})
    expected = plain(source, "work/a.py", "x", python=python)
    ended = run(source, {"file": "work/a.py", "args": ["x"]}, python=python)
    assert ended.exit_code == 1
    assert ended.stdout == expected.stdout
    assert re.sub(r"0x\w+", "", ended.stderr) == re.sub(r"0x\w+", "", expected.stderr)
    problems = {(kept.origin.value, kept.count) for kept in grouped(ended.problems)}
    assert problems == {("logged", 2), ("uncaught", 1)}
    called = run(source, {"function": "work/a.py:work", "args": [1]}, python=python)
    assert called.result == {"returnValue": [{"x": 1.5}, 2, 2]}
    failed = run(source, {"function": "work/a.py:later"}, python=python)
    assert failed.stderr.count("  File ") == 2
    refused = run(source, {"function": "work/a.py:work", "kwargs": {"m": 1}}, python=python)
    assert "argument 'm' is unexpected; argument 'n' is missing; it takes (n)" in refused.stderr
    write(source, {"work/decorated.py": DECORATED})
    decorated = run(source, {"function": "work/decorated.py:double", "args": [4]}, python=python)
    assert decorated.result == {"returnValue": 8}
