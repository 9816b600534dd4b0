"""What a function returns becomes JSON where it can, and its description where it cannot."""

from pathlib import Path

import pytest

from tests.unit.runner.programs import run, write

VALUES = {
    "None": None,
    "range(2)": [0, 1],
    "True": True,
    "'ä\\ud83d'": "ä?",
    "'\\ud83d\\ude00'": "??",
    "1.5": 1.5,
    "float('nan')": "NaN",
    "[float('inf'), -float('inf')]": ["Infinity", "-Infinity"],
    "10 ** 30": 10**30,
    "(1, [2], {3})": [1, [2], [3]],
    "{1: 'a', None: 'b', True: 'c', 1.5: 'd', (1, 2): 'e', Color.RED: 'f'}": {
        "1": "c",
        "null": "b",
        "1.5": "d",
        "(1, 2)": "e",
        "red": "f",
    },
    "datetime(2026, 1, 2, 3, tzinfo=timezone.utc)": "2026-01-02T03:00:00+00:00",
    "[date(2026, 1, 2), time(3, 4)]": ["2026-01-02", "03:04:00"],
    "timedelta(minutes=1.5)": 90.0,
    "Decimal('0.10')": "0.10",
    "UUID(int=5)": "00000000-0000-0000-0000-000000000005",
    "[Color.RED, Level.LOW]": ["red", 1],
    "Path('a/b')": "a/b",
    "b'\\xff\\x00'": "/wA=",
    "Data(1, date(2026, 1, 2))": {"a": 1, "b": "2026-01-02"},
    "Pair(1, 2)": {"x": 1, "y": 2},
    "OrderedDict(a=deque([1]))": {"a": [1]},
    "Chars('abc')": "abc",
    "Scalar(2.5)": 2.5,
    "Array([1, float('nan')])": [1, "NaN"],
    "Series([1, 2])": [1, 2],
    "Spans()": [90.0],
    "Pydantic()": {"when": "2026-01-02"},
    "Pydantic1()": {"when": "2026-01-02"},
    "{'score': 0.5, 'model': Plain()}": {
        "score": 0.5,
        "model": {"repr": "<a plain thing>", "type": "values.Plain"},
    },
    "Plain": {"repr": "<class 'values.Plain'>", "type": "builtins.type"},
    "Angry()": {"repr": "<values.Angry whose repr() raised RuntimeError>", "type": "values.Angry"},
    "10 ** 5000 if hasattr(sys, 'get_int_max_str_digits') else Huge()": {
        "repr": "<builtins.int whose repr() raised ValueError>",
        "type": "builtins.int",
    },
    "Nameless()": {"repr": "<unknown whose repr() raised RuntimeError>", "type": "unknown"},
    "Broken()": {"repr": "<broken>", "type": "values.Broken"},
    "circle()": {"in": {"repr": "{'in': {...}}", "type": "builtins.dict"}},
}

KINDS = """
    import enum, sys
    from collections import OrderedDict, deque, namedtuple
    from dataclasses import dataclass
    from datetime import date, datetime, time, timedelta, timezone
    from decimal import Decimal
    from pathlib import Path
    from uuid import UUID
    class Color(enum.Enum): RED = "red"
    class Level(enum.IntEnum): LOW = 1
    @dataclass
    class Data:
        a: int
        b: date
    Pair = namedtuple("Pair", "x y")
    class Chars(str):
        def __str__(self): return "not this"
    class Scalar:
        dtype = "float64"
        size = 1
        def __init__(self, value): self.value = value
        def tolist(self): return self.value
    class Array(Scalar): pass
    class Series(Scalar):
        def size(self): raise AssertionError
        def numel(self): return 2
    class Kind:
        kind = "m"
    class Spans(Array):
        dtype = Kind
        def __init__(self): self.value = [90_000_000_000]
        def astype(self, unit): return Array([timedelta(minutes=1.5)] if unit == "timedelta64[us]" else None)
    class Pydantic:
        def model_dump(self, mode): return {"when": date(2026, 1, 2)} if mode == "json" else None
    class Pydantic1:
        __fields__ = {}
        def dict(self): return {"when": date(2026, 1, 2)}
    class Plain:
        def __repr__(self): return "<a plain thing>"
    class Angry:
        def __repr__(self): raise RuntimeError
    class Meta(type):
        @property
        def __module__(cls): raise RuntimeError
    class Nameless(metaclass=Meta):
        @property
        def __class__(self): raise RuntimeError
        def __repr__(self): raise RuntimeError
    class Broken:
        def __repr__(self): return "<broken>"
        def model_dump(self, mode): raise RuntimeError
    def circle():
        value = {}
        value["in"] = value
        return value
"""


def test_values_become_json(tmp_path: Path) -> None:
    source = tmp_path / "source"
    values = "".join(f"            {value!r}: lambda: {value},\n" for value in VALUES)
    function = "def f(): return [[name, make()] for name, make in MAKE.items()]"
    text = f"from values import *\n{function}\nMAKE = {{\n{values}}}"
    write(source, {"a.py": text, "values.py": KINDS})
    ended = run(source, {"function": "a.py:f"})
    assert (ended.exit_code, ended.stderr) == (0, "")
    got = dict(ended.result["returnValue"])
    assert list(got) == list(VALUES)
    for name, expected in VALUES.items():
        assert got[name] == expected, name


LARGE = {
    "'x' * 10_000_000": ("builtins.str", "'xxx"),
    "b'x' * 1_000_000": ("builtins.bytes", "b'xxx"),
    "[0] * 10_000_000": ("builtins.list", "[0, 0, 0"),
    "{str(n): [n] for n in range(200_000)}": ("builtins.dict", "{'0': [0], '1': [1]"),
    "'ä' * 600_000": ("builtins.str", "'äää"),
    "range(10**9)": ("builtins.range", "range(0, 1000000000)"),
}


@pytest.mark.parametrize("value", LARGE)
def test_a_large_value_is_described(value: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"a.py": f"def f(): return {value}"})
    ended = run(source, {"function": "a.py:f"})
    assert ended.exit_code == 0
    described = ended.result["returnValue"]
    kind, beginning = LARGE[value]
    assert described["type"] == kind
    assert described["repr"].startswith(beginning)
    assert len(described["repr"]) <= 4096
    assert described["truncated"] is True


def test_a_value_of_just_one_mebibyte_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"a.py": f"def f(): return 'x' * {(1 << 20) - 2}"})
    assert len(run(source, {"function": "a.py:f"}).result["returnValue"]) == (1 << 20) - 2


def test_a_deep_value_is_described_where_it_is_too_deep(tmp_path: Path) -> None:
    source = tmp_path / "source"
    text = """
        def f():
            value = []
            for _ in range(100_000):
                value = [value]
            return value
    """
    write(source, {"a.py": text})
    ended = run(source, {"function": "a.py:f"})
    value, depth = ended.result["returnValue"], 0
    while isinstance(value, list):
        value, depth = value[0], depth + 1
    assert depth == 101
    assert value == {"repr": "<builtins.list whose repr() raised RecursionError>", "type": "builtins.list"}
