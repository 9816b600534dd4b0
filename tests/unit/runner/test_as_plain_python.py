"""A file or a module does what it does under plain Python: the same program is run twice."""

from pathlib import Path

import pytest

from tests.unit.runner.programs import plain, run, write

PROGRAMS = {
    "says hello": "print('hello')",
    "sees its arguments": "import sys; print(sys.argv)",
    "sees the names that a main program has": """
        print(__name__, __file__, __package__, __spec__, __doc__, type(__loader__).__name__)
        print(sorted(globals()), type(__builtins__))
    """,
    "has its folder first on the path": "import sys; print(sys.path[:4])",
    "imports a neighbour": "import neighbour; print(neighbour.NAME)",
    "is guarded": """
        if __name__ == "__main__":
            print("main")
    """,
    "does not see the runner's future statements": """
        def f(x: 1 + 1): pass
        print(f.__annotations__)
    """,
    "ends by a number": "raise SystemExit(7)",
    "ends by None": "import sys; sys.exit(None)",
    "ends by True": "import sys; sys.exit(True)",
    "ends by a text": "import sys; sys.exit('no more')",
    "ends by a tuple": "import sys; sys.exit((1, 2))",
    "ends at once": "import os; print('lost'); os._exit(5)",
    "ends by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "is interrupted": "raise KeyboardInterrupt",
    "is interrupted by the signal": "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('after')",
    "aborts": "import os; os.abort()",
    "raises": """
        def inner():
            return 1 / 0
        def outer():
            inner()
        outer()
    """,
    "raises in a neighbour": "import neighbour; neighbour.fail()",
    "raises what cannot be shown": """
        class Silent(Exception):
            def __str__(self): raise ValueError("no words")
        raise Silent
    """,
    "raises from another": """
        try:
            {}["a"]
        except KeyError as error:
            raise RuntimeError("no a") from error
    """,
    "raises while handling another": """
        try:
            {}["a"]
        except KeyError:
            int("x")
    """,
    "raises a base exception": "class Odd(BaseException): pass\nraise Odd('odd')",
    "has a syntax error": "x = = 1\n",
    "has a wrong indentation": "if True:\nx = 1\n",
    "imports a syntax error": "import broken",
    "imports what is missing": "import nowhere_to_be_found",
    "warns": "import warnings; warnings.warn('look')",
    "escapes wrongly": "print('\\d')",
    "declares an encoding": "# -*- coding: latin-1 -*-\nprint('ok')",
    "waits for its threads": """
        import threading, time
        def work():
            main.wait()
            print("thread")
        main = threading.Event()
        threading.Thread(target=work).start()
        print("main")
        main.set()
    """,
    "calls what is registered for the exit": """
        import atexit
        atexit.register(print, "bye")
        1 / 0
    """,
    "closes its output": "import sys; sys.stdout.close()",
    "cannot flush its output": """
        import os
        print("to a closed descriptor")
        os.close(1)
    """,
    "has a thread that dies": """
        import threading
        def work(): 1 / 0
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        print("alive")
    """,
    "shows its exceptions itself": """
        import sys
        sys.excepthook = lambda kind, error, trace: print("mine:", error, trace.tb_frame.f_code.co_name)
        1 / 0
    """,
    "shows its exceptions badly": """
        import sys
        def show(kind, error, trace): raise LookupError("in the hook")
        sys.excepthook = show
        1 / 0
    """,
    "logs": """
        import logging
        logging.basicConfig(format="%(levelname)s %(funcName)s %(lineno)d %(message)s")
        def work():
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("could not divide")
        work()
    """,
    "has a handler that sees its stack": """
        import logging, traceback
        class Handler(logging.Handler):
            def emit(self, record): print([frame.name for frame in traceback.extract_stack()][-8:])
        log = logging.getLogger("a")
        log.addHandler(Handler())
        def work():
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception("seen")
        def within(depth): work() if depth == 0 else within(depth - 1)
        within(5)
    """,
    "pickles its own classes": """
        import pickle
        class Point:
            x = 1
        print(pickle.loads(pickle.dumps(Point())).x, Point.__module__)
    """,
    "forks": """
        import os
        if (child := os.fork()) == 0:
            print("child", flush=True)
            raise SystemExit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """,
    "makes processes by fork": """
        import multiprocessing as m
        class Item:
            def __init__(self, n): self.n = n
        def double(item): return Item(2 * item.n)
        if __name__ == "__main__":
            with m.get_context("fork").Pool(1) as pool:
                print([item.n for item in pool.map(double, [Item(1), Item(2)])])
    """,
    "makes processes by spawn": """
        import multiprocessing as m
        class Item:
            def __init__(self, n): self.n = n
        def double(queue, item): queue.put(Item(2 * item.n))
        if __name__ == "__main__":
            context = m.get_context("spawn")
            queue = context.SimpleQueue()
            process = context.Process(target=double, args=(queue, Item(4)))
            process.start()
            print(queue.get().n)
            process.join()
    """,
    "has processes that die": """
        import multiprocessing as m
        def work(): raise ValueError("in the child")
        if __name__ == "__main__":
            for method in ("fork", "spawn"):
                process = m.get_context(method).Process(target=work, name=method)
                process.start()
                process.join()
                print(process.exitcode)
    """,
    "runs coroutines": """
        import asyncio
        async def fail(): raise ValueError("async")
        asyncio.run(fail())
    """,
    "recurses too deep": """
        import sys
        def f(): f()
        try:
            f()
        except RecursionError as error:
            print(error)
    """,
    "reads standard input": "import sys; print(repr(sys.stdin.read()))",
    "is empty": "",
    "raises a group": "raise ExceptionGroup('all', [ValueError(1), TypeError(2)])",
    "adds a note": "error = ValueError('a'); error.add_note('and b'); raise error",
}

BESIDE = {
    "work/neighbour.py": "NAME = 'neighbour'\ndef fail(): raise OSError(2, 'not here')",
    "work/broken.py": "def f(:\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_file_does_what_it_does_under_plain_python(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"work/program.py": PROGRAMS[name], **BESIDE})
    args = ["a", "--b=c d"]
    expected = plain(source, "work/program.py", *args)
    ended = run(source, {"file": "work/program.py", "args": args})
    assert (ended.exit_code, ended.stdout, ended.stderr) == (
        expected.exit_code,
        expected.stdout,
        expected.stderr,
    )
    assert ended.result is None


MODULES = {
    "is a module": "pack.module",
    "is a package": "pack",
    "is missing": "pack.nothing",
    "is in a missing package": "nothing.at.all",
    "is a package without a main module": "bare",
    "raises": "pack.raising",
    "has a syntax error": "pack.broken",
    "imports what is missing": "pack.importing",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_does_what_it_does_under_plain_python(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    say = "import sys; print(sys.argv, sys.path[0], __name__, __package__, __spec__.name, __file__)"
    write(
        source,
        {
            "pack/__init__.py": "",
            "pack/__main__.py": say,
            "pack/module.py": f"from . import raising as _\n{say}",
            "pack/raising.py": "def f(): raise ValueError('in a module')\nif __name__ == '__main__': f()",
            "pack/broken.py": "def f(:\n",
            "pack/importing.py": "import nowhere_to_be_found",
            "bare/__init__.py": "",
        },
    )
    expected = plain(source, "-m", MODULES[name], "a", "b")
    ended = run(source, {"module": MODULES[name], "args": ["a", "b"]})
    assert (ended.exit_code, ended.stdout, ended.stderr) == (
        expected.exit_code,
        expected.stdout,
        expected.stderr,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_module_makes_processes(method: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    text = f"""
        import multiprocessing as m
        def double(queue, n): queue.put(2 * n)
        if __name__ == "__main__":
            context = m.get_context("{method}")
            queue = context.SimpleQueue()
            process = context.Process(target=double, args=(queue, 4))
            process.start()
            print(queue.get())
            process.join()
    """
    write(source, {"pack/__init__.py": "", "pack/work.py": text})
    ended = run(source, {"module": "pack.work"})
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "8\n", "")


def test_a_folder_with_a_main_module_runs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"app/__main__.py": "import other, sys; print(other.X, sys.argv)", "app/other.py": "X = 1"})
    expected = plain(source, "app", "a")
    ended = run(source, {"file": "app", "args": ["a"]})
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, expected.stdout, "")


def test_a_missing_file_ends_as_under_plain_python_and_names_a_near_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"work/train.py": ""})
    expected = plain(source, "work/trian.py")
    ended = run(source, {"file": "work/trian.py"})
    assert ended.exit_code == expected.exit_code == 2
    assert ended.stderr == expected.stderr.rstrip("\n") + "; did you mean 'train.py'?\n"
    assert [problem["type"] for problem in ended.events] == ["FileNotFoundError"]


def test_a_file_imports_from_the_source_after_all_that_is_installed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(
        source,
        {
            "work/program.py": "import lib, wave; print(lib.X, wave.__file__)",
            "lib/__init__.py": "X = 1",
            "wave.py": "raise RuntimeError('not the standard library')",
        },
    )
    ended = run(source, {"file": "work/program.py"})
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith("1 ")


def test_a_file_is_found_from_another_working_folder(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"program.py": "import os, sys; print(os.getcwd(), sys.argv, sys.path[0])"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = source / "program.py"
    assert run(source, {"file": "program.py"}, cwd=elsewhere).stdout == plain(elsewhere, str(path)).stdout
