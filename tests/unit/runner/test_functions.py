"""A function is called with JSON values that fit its signature, and a call that does not fit says why."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runner.programs import run, write

CALLED = """
    import sys
    print("imported", __name__)
    def add(a, b=2, *, c=0): return a + b + c
    def only(a, /): return a
    def many(*args, **kwargs): return [args, kwargs]
    async def later(a):
        import asyncio
        await asyncio.sleep(0)
        return a
    class Model:
        @staticmethod
        def fit(x): return x
        @classmethod
        def name(cls): return cls.__name__
    def numbers(): yield 1
    async def streamed(): yield 1
    VALUE = 3
    def leave(): sys.exit(4)
    def fail(a): raise ValueError(a)
    async def fail_later(): raise ValueError("later")
    def wrapped(function):
        import functools
        @functools.wraps(function)
        def call(*args): return function("given", *args)
        return call
    @wrapped
    def injected(connection, x): return [connection, x]
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    write(source, {"work/pipeline.py": CALLED, "pack/__init__.py": "", "pack/inner.py": CALLED})
    return source


RETURNED: list[tuple[str, list[Any], dict[str, Any], Any]] = [
    ("add", [1], {}, 3),
    ("add", [1], {"b": 5, "c": 10}, 16),
    ("only", [{"x": [1, None]}], {}, {"x": [1, None]}),
    ("many", [1, 2], {"a": 3}, [[1, 2], {"a": 3}]),
    ("later", ["x"], {}, "x"),
    ("Model.fit", [9], {}, 9),
    ("Model.name", [], {}, "Model"),
    ("injected", [1], {}, ["given", 1]),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "value"), RETURNED)
def test_a_function_is_called_with_values(
    name: str, args: list[Any], kwargs: dict[str, Any], value: Any, source: Path
) -> None:
    ended = run(source, {"function": f"work/pipeline.py:{name}", "args": args, "kwargs": kwargs})
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "imported pipeline\n", "")
    assert ended.result == {"returnValue": value}
    assert ended.problems == b""


def test_a_function_of_a_module_is_called(source: Path) -> None:
    ended = run(source, {"function": "pack.inner:add", "args": [1]})
    assert (ended.exit_code, ended.stdout, ended.result) == (0, "imported pack.inner\n", {"returnValue": 3})


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("add", {}, "argument 'a' is missing; it takes (a, b=2, *, c=0)"),
    ("add", {"args": [1], "kwargs": {"bb": 1}}, "argument 'bb' is unexpected; did you mean 'b'?"),
    ("add", {"args": [1], "kwargs": {"a": 1}}, "argument 'a' is given by position and by name"),
    ("add", {"args": [1, 2, 3]}, "3 positional arguments are too many, it takes 2"),
    ("add", {"args": [1, 2, 3], "kwargs": {"zebra": 0}}, "argument 'zebra' is unexpected;"),
    ("only", {"kwargs": {"a": 1}}, "argument 'a' is taken by position only; argument 'a' is missing"),
    ("fial", {}, "pipeline has no 'fial'; did you mean 'fail'?"),
    ("Model.fitt", {}, "Model has no 'fitt'; did you mean 'fit'?"),
    ("VALUE", {}, "it is of type int and cannot be called"),
    ("numbers", {}, "it is a generator function; nothing of it was run"),
    ("streamed", {}, "it is a generator function; nothing of it was run"),
]


@pytest.mark.parametrize(("name", "call", "said"), WRONG)
def test_a_call_that_does_not_fit_is_refused_before_the_body(
    name: str, call: dict[str, Any], said: str, source: Path
) -> None:
    ended = run(source, {"function": f"work/pipeline.py:{name}", **call})
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"runsd: cannot run work/pipeline.py:{name}: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.result is None
    assert len(ended.events) == 1


@pytest.mark.parametrize(
    ("target", "exit_code", "said"),
    [
        ("work/pipelin.py:add", 2, "No such file or directory; did you mean 'pipeline.py'?"),
        ("pack.outer:add", 1, "cannot run pack.outer:add: no module named 'pack.outer'"),
        ("packs.inner:add", 1, "cannot run packs.inner:add: no module named 'packs'"),
    ],
)
def test_a_function_that_is_nowhere_is_refused(target: str, exit_code: int, said: str, source: Path) -> None:
    ended = run(source, {"function": target})
    assert ended.exit_code == exit_code
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "args"), [("fail", ["x"]), ("fail_later", [])])
def test_a_function_that_raises_shows_its_own_frames(name: str, args: list[Any], source: Path) -> None:
    ended = run(source, {"function": f"work/pipeline.py:{name}", "args": args})
    assert ended.exit_code == 1
    lines = [line for line in ended.stderr.splitlines() if line.startswith("  File ")]
    assert [line.rpartition(" ")[2] for line in lines] == [name]
    assert ended.result is None


def test_a_function_that_exits_returns_nothing(source: Path) -> None:
    ended = run(source, {"function": "work/pipeline.py:leave"})
    assert (ended.exit_code, ended.stderr, ended.result, ended.problems) == (4, "", None, b"")


def test_a_module_that_lacks_one_of_its_own_imports_shows_where(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"a.py": "import nowhere\ndef f(): pass"})
    for target in ("a.py:f", "a:f"):
        ended = run(source, {"function": target})
        assert ended.exit_code == 1
        assert ended.stderr.startswith("Traceback (most recent call last):\n  File ")
        assert "runner.py" not in ended.stderr
        assert "importlib" not in ended.stderr


def test_a_function_finds_its_neighbours_and_the_source(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(
        source,
        {
            "work/a.py": "import b, lib\ndef f(): return [b.X, lib.X]",
            "work/b.py": "X = 1",
            "lib/__init__.py": "X = 2",
        },
    )
    assert run(source, {"function": "work/a.py:f"}).result == {"returnValue": [1, 2]}


def test_a_file_may_have_the_name_of_a_module_of_python(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"json.py": "def f(): return 1"})
    assert run(source, {"function": "json.py:f"}).result == {"returnValue": 1}


def test_a_child_that_leaves_the_function_by_fork_keeps_no_result(tmp_path: Path) -> None:
    source = tmp_path / "source"
    text = """
        import os
        def f():
            if (child := os.fork()) == 0:
                return "child"
            os.waitpid(child, 0)
            return {"childsResult": os.path.exists("../out/result.json")}
    """
    write(source, {"a.py": text})
    ended = run(source, {"function": "a.py:f"})
    assert (ended.exit_code, ended.result) == (0, {"returnValue": {"childsResult": False}})


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_function_makes_processes(method: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    text = f"""
        import multiprocessing
        def double(x): return 2 * x
        def f():
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                return pool.map(double, [1, 2])
    """
    write(source, {"work/a.py": text})
    ended = run(source, {"function": "work/a.py:f"})
    assert (ended.exit_code, ended.stderr, ended.result) == (0, "", {"returnValue": [2, 4]})


def test_a_result_that_cannot_be_kept_fails_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"a.py": "import shutil\ndef f(): shutil.rmtree('../out'); return 1"})
    ended = run(source, {"function": "a.py:f"})
    assert ended.exit_code == 0
    assert ended.stderr.startswith("runsd: cannot keep the return value: [Errno 2]")


def test_the_main_module_has_no_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"a.py": "import sys\ndef f(): return sorted(vars(sys.modules['__main__']))"})
    names = ["__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__"]
    if sys.version_info < (3, 14):
        names.insert(0, "__annotations__")
    assert run(source, {"function": "a.py:f"}).result == {"returnValue": names}
