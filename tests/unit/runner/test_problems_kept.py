"""Exceptions that a program dies of or logs are kept, in whichever thread or process, and change nothing."""

from pathlib import Path
from typing import Any

import pytest

from runsd.problems import Origin, Problem, grouped
from tests.unit.runner.programs import Ended, plain, run, write

FAIL = """
    import logging
    def fail(): raise ValueError("no good")
    def log(logger=logging):
        try:
            fail()
        except ValueError:
            logger.exception("failed")
"""
QUIET = (
    "import logging; logging.disable(logging.NOTSET); logging.getLogger().addHandler(logging.NullHandler())\n"
)

LOGGED = {
    "by the module": "from fail import log; log()",
    "by a logger that does not propagate": """
        import logging, fail
        logger = logging.getLogger("own")
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
        fail.log(logger)
    """,
    "by an adapter": "import logging, fail; fail.log(logging.LoggerAdapter(logging.getLogger('own'), {}))",
    "with exc_info at another level": """
        import logging, fail
        try:
            fail.fail()
        except ValueError as error:
            logging.warning("failed", exc_info=error)
    """,
    "to replaced handlers": """
        import logging, logging.config, fail
        fail.log()
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    """,
    "by a logger of another class": """
        import logging
        class Own(logging.Logger): pass
        logging.setLoggerClass(Own)
        import fail
        fail.log(logging.getLogger("own"))
    """,
    "through a queue": """
        import logging.handlers, queue, fail
        logging.getLogger().addHandler(logging.handlers.QueueHandler(queue.Queue()))
        fail.log()
    """,
    "in a thread": "import threading, fail; t = threading.Thread(target=fail.log); t.start(); t.join()",
    "in a pool of threads": """
        import fail
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor() as pool:
            pool.submit(fail.log).result()
    """,
    "in a fork": """
        import os, fail
        if (child := os.fork()) == 0:
            fail.log()
        else:
            os.waitpid(child, 0)
    """,
    "by a task that nobody awaited": """
        import asyncio, gc, fail
        async def later(): fail.fail()
        async def main():
            asyncio.ensure_future(later())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        asyncio.run(main())
        gc.collect()
    """,
    **{
        f"in a process by {method}": f"""
            import multiprocessing, fail
            if __name__ == "__main__":
                process = multiprocessing.get_context("{method}").Process(target=fail.log)
                process.start()
                process.join()
        """
        for method in ("fork", "spawn", "forkserver")
    },
    "in a pool of processes": """
        import fail
        from concurrent.futures import ProcessPoolExecutor
        if __name__ == "__main__":
            with ProcessPoolExecutor(1) as pool:
                pool.submit(fail.log).result()
    """,
}

UNCAUGHT = {
    "by the main thread": "import fail; fail.fail()",
    "with a hook of the program": "import sys, fail; sys.excepthook = lambda *_: None; fail.fail()",
    "by a thread": "import threading, fail; t = threading.Thread(target=fail.fail); t.start(); t.join()",
    "by a thread with a hook of the program": """
        import threading, fail
        threading.excepthook = lambda args: None
        t = threading.Thread(target=fail.fail)
        t.start()
        t.join()
    """,
    **{
        f"by a process by {method}": f"""
            import multiprocessing, fail
            if __name__ == "__main__":
                process = multiprocessing.get_context("{method}").Process(target=fail.fail)
                process.start()
                process.join()
        """
        for method in ("fork", "spawn", "forkserver")
    },
    "by the parent of a pool": """
        import multiprocessing, fail
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                pool.apply(fail.fail)
    """,
}


def ended(tmp_path: Path, program: str) -> Ended:
    source = tmp_path / "source"
    write(source, {"program.py": program, "fail.py": FAIL})
    return run(source, {"file": "program.py"})


def problem(tmp_path: Path, program: str) -> Problem:
    problems = grouped(ended(tmp_path, program).problems)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize("name", LOGGED)
def test_an_exception_that_is_logged_is_kept(name: str, tmp_path: Path) -> None:
    kept = problem(tmp_path, LOGGED[name])
    assert (kept.type, kept.message, kept.origin, kept.count) == ("ValueError", "no good", Origin.LOGGED, 1)
    assert kept.frames[0] == "fail.py:3 in fail"
    assert kept.stacktrace.startswith("Traceback (most recent call last):\n")
    assert kept.stacktrace.endswith("ValueError: no good\n")


@pytest.mark.parametrize("name", UNCAUGHT)
def test_an_exception_that_is_not_caught_is_kept(name: str, tmp_path: Path) -> None:
    kept = problem(tmp_path, UNCAUGHT[name])
    assert (kept.type, kept.message, kept.origin, kept.count) == ("ValueError", "no good", Origin.UNCAUGHT, 1)
    assert any(frame == "fail.py:3 in fail" for frame in kept.frames) or "in fail\n" in kept.stacktrace
    assert "runner.py" not in kept.stacktrace


@pytest.mark.parametrize(
    "program",
    [
        "import logging; logging.error('no exception'); logging.error('none', exc_info=True)",
        "import logging; logging.getLogger().setLevel(60); import fail; fail.log()",
        "import sys, threading; t = threading.Thread(target=sys.exit); t.start(); t.join()",
        "import sys; sys.exit('bye')",
        "import fail\ntry: fail.fail()\nexcept ValueError: print('caught')",
    ],
)
def test_what_is_no_problem_is_not_kept(program: str, tmp_path: Path) -> None:
    assert ended(tmp_path, program).problems == b""


def test_frames_are_the_programs_own_and_the_innermost_is_first(tmp_path: Path) -> None:
    program = "import json\ndef f(): json.loads('{')\ndef g(): f()\ng()"
    kept = problem(tmp_path, program)
    assert kept.type == "json.decoder.JSONDecodeError"
    assert kept.frames == ("program.py:2 in f", "program.py:3 in g", "program.py:4 in <module>")


def test_a_chain_is_one_problem(tmp_path: Path) -> None:
    program = "import fail\ntry: fail.fail()\nexcept ValueError as e: raise KeyError('k') from e"
    kept = problem(tmp_path, program)
    assert (kept.type, kept.message) == ("KeyError", "'k'")
    assert "ValueError: no good\n\nThe above exception was the direct cause" in kept.stacktrace


def test_the_same_from_all_processes_is_one_problem(tmp_path: Path) -> None:
    program = """
        import multiprocessing, fail
        if __name__ == "__main__":
            for method in ("fork", "spawn") * 2:
                process = multiprocessing.get_context(method).Process(target=fail.log)
                process.start()
                process.join()
            fail.log()
    """
    kept = problem(tmp_path, program)
    assert kept.count == 5
    assert kept.first_seen is not None
    assert kept.last_seen is not None
    assert kept.first_seen < kept.last_seen


def test_a_storm_of_exceptions_is_counted_in_a_small_file(tmp_path: Path) -> None:
    program = """
        import logging, threading, fail
        logging.getLogger().addHandler(logging.NullHandler())
        def work():
            for n in range(5_000):
                try:
                    raise LookupError(n)
                except LookupError:
                    logging.exception("again")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    left = ended(tmp_path, program)
    assert [(kept.type, kept.message, kept.count) for kept in grouped(left.problems)] == [
        ("LookupError", "0", 20_000)
    ]
    assert len(left.problems) < 20_000


def test_a_process_that_is_killed_has_at_least_half_of_its_counts_on_file(tmp_path: Path) -> None:
    program = """
        import logging, os, signal, fail
        logging.getLogger().addHandler(logging.NullHandler())
        for _ in range(1_000): fail.log()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    left = ended(tmp_path, program)
    assert left.exit_code == -9
    assert 500 <= grouped(left.problems)[0].count <= 1_000


def test_a_program_with_endlessly_many_problems_fills_no_disk(tmp_path: Path) -> None:
    program = """
        import logging
        logging.getLogger().addHandler(logging.NullHandler())
        def log(n):
            scope = {}
            exec(compile("def f(): raise ValueError('x' * 100_000)", f"/app/m{n}.py", "exec"), scope)
            try:
                scope["f"]()
            except ValueError:
                logging.exception("again")
        for n in range(2_000): log(n)
    """
    left = ended(tmp_path, program)
    assert left.exit_code == 0
    assert 1 << 20 < len(left.problems) < 4 << 20
    assert len(grouped(left.problems)) > 50


def test_code_that_is_made_and_forgotten_is_told_apart(tmp_path: Path) -> None:
    program = """
        import logging
        logging.getLogger().addHandler(logging.NullHandler())
        scope = {}
        for n in range(100):
            exec(compile("def f(): raise ValueError", f"/app/m{n}.py", "exec"), scope)
            try:
                scope["f"]()
            except ValueError:
                logging.exception("again")
    """
    kept = grouped(ended(tmp_path, program).problems)
    assert {(problem.frames[0], problem.count) for problem in kept} == {
        (f"/app/m{n}.py:1 in f", 1) for n in range(100)
    }


def test_a_problem_is_there_while_the_program_runs(tmp_path: Path) -> None:
    program = "import fail; fail.log(); print(open('../out/problems.jsonl').read().count('ValueError') > 0)"
    assert ended(tmp_path, program).stdout == "True\n"


HOSTILE = {
    "a str() that logs": """
        import logging
        class Odd(Exception):
            def __str__(self):
                try: 1 / 0
                except ZeroDivisionError: logging.getLogger("quiet").exception("inside")
                return "odd"
        logging.getLogger("quiet").addHandler(logging.NullHandler())
        logging.getLogger("quiet").propagate = False
        raise Odd
    """,
    "half a surrogate pair": "raise ValueError('\\ud83d')",
    "no room for the file": "import os, fail; os.mkdir('../out/problems.jsonl'); fail.log()",
    "all descriptors closed": "import os, fail; fail.log(); os.closerange(3, 100); fail.fail()",
    "a module named traceback": "import fail; fail.fail()",
    "a clock that fails": "import time, fail\ndel time.time\nfail.fail()",
    "no imports any more": "import sys, fail; sys.meta_path.clear(); fail.fail()",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_happens_the_program_does_what_it_does(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"program.py": HOSTILE[name], "fail.py": FAIL})
    if "traceback" in name:
        write(source, {"traceback.py": "raise RuntimeError"})
    by_runner = run(source, {"file": "program.py"})
    for kept in (tmp_path / "out").iterdir():
        kept.rmdir() if kept.is_dir() else kept.unlink()
    expected = plain(source, "program.py")
    assert (by_runner.exit_code, by_runner.stdout, by_runner.stderr) == (
        expected.exit_code,
        expected.stdout,
        expected.stderr,
    )


def test_a_program_sees_no_hook_of_ours(tmp_path: Path) -> None:
    program = """
        import logging, sys, threading
        print(sys.excepthook is sys.__excepthook__, threading.excepthook.__module__)
        print(logging.getLogRecordFactory() is logging.LogRecord, logging.getLogger().handlers)
        print([name for name in vars(logging.__loader__) if name == "exec_module"])
    """
    assert ended(tmp_path, program).stdout == "True _thread\nTrue []\n[]\n"


def test_what_the_program_imports_itself_is_not_imported_before(tmp_path: Path) -> None:
    heavy = {
        "logging",
        "threading",
        "multiprocessing",
        "asyncio",
        "inspect",
        "traceback",
        "typing",
        "hashlib",
    }
    program = "import sys; print(sorted(sys.modules))"
    imported: set[Any] = set(eval(ended(tmp_path, program).stdout))  # noqa: S307
    assert not heavy & imported - set(eval(plain(tmp_path / "source", "program.py").stdout))  # noqa: S307
