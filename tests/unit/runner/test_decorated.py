"""A decorated function runs as a plain one does, whether the program has the SDK or only its stand-in."""

import json
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.unit.runner.programs import Ended, run, write

DECORATED = """
    from runsd_sdk import RunsClient, AsyncRunsClient, GitSource, Retries
    from runsd_sdk.errors import RunFailed, RunTimedOut
    client, aio = RunsClient(), AsyncRunsClient("http://nobody:7070", api_key="k")
    source = GitSource(url="https://example.org/code.git")
    @client.function(cpu=2, dependencies=["numpy"], source=source)
    def add(a, b=2, *, c=0): return a + b + c
    @aio.function
    async def later(a): return [a]
    class Model:
        @client.function(retries=Retries(limit=2))
        @staticmethod
        def fit(x): return x
        @staticmethod
        @client.function()
        def again(x): return x
    @client.function
    def raises(): raise ValueError("no good")
    def fails(x: "RunFailed"):
        try:
            return add.remote(x)
        except (RunFailed, RunTimedOut):
            return "caught"
    def spawns(): return later.with_options(cpu=4).spawn(1)
    def submits(): return client.create(image="a")
    def constant():
        from runsd_sdk import Status
        return Status.FAILED
"""
PLAIN = "\n".join(line for line in DECORATED.splitlines()[5:] if "@client" not in line and "@aio" not in line)
HERE = f"import sys; sys.path[:0] = {[path for path in sys.path if path]}\n"


CALLS: list[dict[str, Any]] = [
    {"function": "a.py:add", "args": [1], "kwargs": {"c": 4}},
    {"function": "a.py:later", "args": ["x"]},
    {"function": "a.py:Model.fit", "args": [[1, None]]},
    {"function": "a.py:Model.again", "args": [2]},
    {"function": "a.py:add", "args": [1], "kwargs": {"cc": 1}},
    {"function": "a.py:add", "args": [1, 2, 3]},
    {"function": "a.py:later"},
    {"function": "a.py:raises"},
]


@pytest.mark.parametrize("first", ["", HERE], ids=["stand-in", "sdk"])
@pytest.mark.parametrize("call", CALLS, ids=json.dumps)
def test_it_is_called_and_refused_as_a_plain_one(tmp_path: Path, first: str, call: dict[str, Any]) -> None:
    plain, decorated = (
        ended(tmp_path / kind, text, call) for kind, text in (("p", PLAIN), ("d", first + dedent(DECORATED)))
    )
    assert (decorated.exit_code, decorated.result) == (plain.exit_code, plain.result)
    assert [event["type"] for event in decorated.events] == [event["type"] for event in plain.events]
    if call["function"] != "a.py:raises":  # its trace has other lines
        assert decorated.stderr == plain.stderr


def ended(folder: Path, text: str, call: dict[str, Any]) -> Ended:
    write(folder / "source", {"a.py": text})
    return run(folder / "source", call)


@pytest.mark.parametrize(
    ("entrypoint", "said"),
    [
        ({"function": "a.py:fails", "args": [1]}, "cannot use add.remote: inside a run runsd_sdk is"),
        ({"function": "a.py:spawns"}, "cannot use later.spawn: inside a run runsd_sdk is a stand-in"),
        ({"function": "a.py:submits"}, "cannot use RunsClient.create: inside a run"),
        ({"function": "a.py:constant"}, "cannot use Status.FAILED: inside a run"),
    ],
)
def test_what_asks_a_daemon_says_why_there_is_none(
    tmp_path: Path, entrypoint: dict[str, Any], said: str
) -> None:
    write(tmp_path / "source", {"a.py": DECORATED})
    ended = run(tmp_path / "source", entrypoint)
    assert ended.exit_code == 1
    assert said in ended.stderr
    assert "Call the function itself" in ended.stderr


def test_an_sdk_in_the_source_comes_before_the_stand_in(tmp_path: Path) -> None:
    write(
        tmp_path / "source",
        {"runsd_sdk/__init__.py": "MINE = 1", "work/a.py": "import runsd_sdk\nprint(runsd_sdk.MINE)"},
    )
    assert run(tmp_path / "source", {"file": "work/a.py"}).stdout == "1\n"


def test_files_and_modules_have_it_too(tmp_path: Path) -> None:
    text = "from runsd_sdk import RunsClient\n@RunsClient().function\ndef f(): return 4\nprint(f())\n"
    write(tmp_path / "source", {"a.py": text, "pack/b.py": text})
    for entrypoint in ({"file": "a.py"}, {"module": "pack.b"}):
        assert run(tmp_path / "source", entrypoint).stdout == "4\n"
