"""Problems are read out of what a run left, which may be anything."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.problems import INPUT_LINES, Origin, Problem, from_stderr, grouped

FULL = {
    "fingerprint": "a",
    "origin": "logged",
    "time": 100.0,
    "type": "ValueError",
    "message": "no good",
    "stacktrace": "Traceback …",
    "frames": ["a.py:1 in f"],
}
AGAIN = {"fingerprint": "a", "origin": "logged", "time": 200.0, "count": 41}


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_counts_are_added_to_their_problem() -> None:
    assert grouped(lines(AGAIN, FULL, {**FULL, "time": 50.0, "message": "other process"})) == [
        Problem(
            type="ValueError",
            message="no good",
            stacktrace="Traceback …",
            origin=Origin.LOGGED,
            frames=("a.py:1 in f",),
            count=43,
            first_seen=at(50),
            last_seen=at(200),
        )
    ]


def test_another_fingerprint_or_origin_is_another_problem() -> None:
    found = grouped(lines(FULL, {**FULL, "fingerprint": "b"}, {**FULL, "origin": "uncaught"}, AGAIN))
    assert [problem.count for problem in found] == [42, 1, 1]


BAD: list[bytes] = [
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"[]",
    b"null",
    b"[" * 100_000,
    lines({**FULL, "fingerprint": "b"})[:-20],
    lines({"origin": "logged", "time": 1}),
    lines({**FULL, "origin": "stderr!"}),
    lines({**FULL, "time": 1e300}),
    lines({**FULL, "time": None}),
    lines({**FULL, "time": float("nan")}),
    lines({**FULL, "time": 10**400}),
    lines({**FULL, "count": 0}),
    lines({**FULL, "count": -5}),
    lines({**FULL, "count": 10**13}),
    lines({**FULL, "count": 1.5}),
    lines({**FULL, "count": True}),
    b'{"time": ' + b"9" * 5000 + b"}",
    lines({"fingerprint": "never written in full", "origin": "logged", "time": 1, "count": 3}),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_line_is_skipped(bad: bytes) -> None:
    assert [problem.count for problem in grouped(lines(FULL) + bad + b"\n" + lines(AGAIN))] == [42]


def test_sizes_are_capped() -> None:
    huge = {**FULL, "type": "T" * 10**6, "message": "m" * 10**6, "frames": ["f" * 1000] * 1000}
    problem = grouped(lines(huge))[0]
    assert (len(problem.type), len(problem.message), len(problem.frames)) == (300, 4096, 64)
    many = [{**FULL, "fingerprint": str(n), "stacktrace": "s" * 18_000} for n in range(220)]
    found = grouped(lines(*many))
    assert len(found) == 200
    assert sum(len(problem.stacktrace) for problem in found) < 2_500_000
    assert len(found[-1].stacktrace) == 2000


def test_millions_of_empty_lines_are_not_read() -> None:
    found = lines(FULL)
    assert len(grouped(b"\n" * 1000 + found)) == 1
    assert grouped(b"\n" * INPUT_LINES + found) == []


def test_fields_of_wrong_types_are_empty_and_half_pairs_become_question_marks() -> None:
    odd = {**FULL, "message": "\ud83d", "stacktrace": 5, "frames": [1, "a", None]}
    problem = grouped(lines(odd))[0]
    assert (problem.message, problem.stacktrace, problem.frames) == ("?", "", ("", "a", ""))


@given(st.binary(max_size=300))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert grouped(raw) == []


PROGRAMS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "uncaught": ("def f(): raise ValueError('a: b')\nf()", [("ValueError", "a: b")]),
    "without a message": ("raise KeyError", [("KeyError", "")]),
    "of the program's own class": (
        "class Own(Exception): pass\ndef f():\n class In(Exception): pass\n return In\nraise f()('x')",
        [("f.<locals>.In", "x")],
    ),
    "from another": (
        "try: {}['a']\nexcept KeyError as e: raise RuntimeError('b') from e",
        [("RuntimeError", "b")],
    ),
    "while handling another, whose message has lines": (
        "try: raise ValueError('one\\ntwo\\n\\nthree')\nexcept ValueError: raise RuntimeError('b')",
        [("RuntimeError", "b")],
    ),
    "of several lines": ("raise ValueError('one\\ntwo')", [("ValueError", "one")]),
    "a syntax error": ("x = = 1", [("SyntaxError", "invalid syntax")]),
    "a syntax error of another file": ("exec('x = = 1')", [("SyntaxError", "invalid syntax")]),
    "in threads": (
        """
        import threading
        def work(n): raise ValueError(n)
        for n in (1, 2):
            thread = threading.Thread(target=work, args=[n])
            thread.start()
            thread.join()
        """,
        [("ValueError", "1")],
    ),
    "in a pool of processes": (
        """
        import multiprocessing
        def work(n): raise ValueError(n)
        with multiprocessing.get_context("fork").Pool(1) as pool: pool.map(work, [1])
        """,
        [("ValueError", "1")],
    ),
    "logged, among other lines": (
        """
        import logging, sys
        for kind in (OSError, TypeError):
            print("before", file=sys.stderr)
            try: raise kind("no")
            except Exception: logging.exception("failed")
            print("after", file=sys.stderr)
        """,
        [("OSError", "no"), ("TypeError", "no")],
    ),
    "recursion": ("def f(): f()\nf()", [("RecursionError", "maximum recursion depth exceeded")]),
    "an interrupt": ("raise KeyboardInterrupt", [("KeyboardInterrupt", "")]),
    "a group": (
        "raise ExceptionGroup('all', [ValueError(1), ExceptionGroup('in', [TypeError(2)])])",
        [("ExceptionGroup", "all (2 sub-exceptions)")],
    ),
    "a group that was caught": (
        "try: raise ExceptionGroup('', [KeyError(1)])\nexcept* KeyError as e: raise OSError('x') from e",
        [("OSError", "x")],
    ),
    "none": ("import sys; print('Error: no\\n  File x\\n', file=sys.stderr)", []),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_tracebacks_are_found_in_what_python_prints(name: str, tmp_path: Path) -> None:
    text, expected = PROGRAMS[name]
    program = tmp_path / "program.py"
    program.write_text(dedent(text))
    stderr = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False).stderr
    found = from_stderr(stderr)
    assert [(problem.type, problem.message) for problem in found] == expected
    for problem in found:
        assert problem.origin is Origin.STDERR
        assert problem.stacktrace in stderr
        assert all(frame.startswith(str(program)) for frame in problem.frames[:1])


def test_a_traceback_is_found_whole() -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/app/a.py", line 3, in f\n    g()\nOSError: [Errno 2] no'
    )
    found = from_stderr(f"before\n{trace}\nafter\n")
    assert found == [Problem("OSError", "[Errno 2] no", trace, Origin.STDERR, ("/app/a.py:3 in f",))]


def test_the_same_place_is_one_problem() -> None:
    trace = 'Traceback (most recent call last):\n  File "/app/a.py", line {}, in f\nOSError: {}\n'
    elsewhere = trace.replace("in f", "in g")
    found = from_stderr(trace.format(3, "a") + trace.format(9, "b") + elsewhere.format(3, "c"))
    assert [(problem.message, problem.count) for problem in found] == [("a", 2), ("c", 1)]


def test_own_frames_are_told_before_those_of_libraries() -> None:
    text = """\
Traceback (most recent call last):
  File "/app/a.py", line 3, in <module>
    main()
  File "/app/a.py", line 2, in main
    json.loads("{")
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
  File "/usr/local/lib/python3.12/site-packages/x.py", line 1, in y
json.decoder.JSONDecodeError: Expecting property name
"""
    assert from_stderr(text)[0].frames == ("/app/a.py:2 in main", "/app/a.py:3 in <module>")


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "Traceback (most recent call last):\n",
        'Traceback (most recent call last):\n  File "a", line 1, in f',
        'Traceback (most recent call last):\n  File "a", line 1, in f\n*** cut ***\n',
        "  + Exception Group Traceback (most recent call last):\n  | \n",
        '  File "a", line 1\n',
    ],
)
def test_half_a_traceback_is_none(text: str) -> None:
    assert from_stderr(text) == []


def test_endless_chains_and_prefixes_take_no_time() -> None:
    one = 'Traceback (most recent call last):\n  File "a", line 1, in f\nOSError: x\n'
    chained = "\nThe above exception was the direct cause of the following exception:\n\n"
    assert [problem.count for problem in from_stderr((one + chained) * 7_000)] == [1]
    assert len(from_stderr(one * 15_000)) == 1
    for text in ("Traceback (most recent call last):\n", '  File "a', " | ", '  File "a", line 1\n'):
        assert from_stderr(text * (1_000_000 // len(text))) == []


@given(st.text(st.sampled_from('Tracebk (mostrenl):\n  File "a", line1inf+|-'), max_size=200))
def test_any_text_is_read(text: str) -> None:
    for problem in from_stderr(text):
        assert problem.stacktrace in text.replace("\r", "\n")
