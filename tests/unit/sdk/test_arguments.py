"""Arguments are checked before anything is sent: by the function's signature, and for what JSON carries."""

import inspect
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from runsd_sdk import arguments
from runsd_sdk.errors import InvalidArguments, RunsdError


def train(rows: Any, /, rate: float = 0.1, *folds: int, seed: Any = None, **more: Any) -> None: ...


def plain(a: int, b: int = 2) -> None: ...


@dataclass
class Fold:
    number: int


Pair = namedtuple("Pair", "a b")
ITSELF: list[Any] = []
ITSELF.append(ITSELF)


def check(function: Any, *args: object, **kwargs: object) -> None:
    arguments.check(function.__name__, inspect.signature(function), args, kwargs)


def test_what_json_has_is_taken() -> None:
    check(train, [{"a": [1, 2.5, None, True, "x"]}, (1, 2)], 1e300, 1, 2, seed={}, extra=10**30)


@pytest.mark.parametrize(
    ("args", "kwargs", "wrong"),
    [
        ((), {}, "missing a required argument: 'a'; it takes (a: int, b: int = 2) -> None"),
        ((1, 2, 3), {}, "too many positional arguments; it takes (a: int, b: int = 2) -> None"),
        ((1,), {"c": 1}, "got an unexpected keyword argument 'c'; it takes (a: int, b: int = 2) -> None"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(args: Any, kwargs: Any, wrong: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        check(plain, *args, **kwargs)
    assert str(refused.value) == f"cannot run plain: {wrong}"
    assert isinstance(refused.value, TypeError)
    assert isinstance(refused.value, RunsdError)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (Fold(1), "is of type tests.unit.sdk.test_arguments.Fold; give a dict: dataclasses.asdict(…)"),
        (datetime.now(UTC), "is of type datetime.datetime; give it as text: .isoformat()"),
        (UUID(int=0), "is of type uuid.UUID; give it as text: str(…)"),
        (Path("x"), "is of type pathlib.PosixPath; give it as text: str(…)"),
        (b"x", "is of type bytes; give it as text, or put it into the source or a volume"),
        ({1, 2}, "is of type set; give a list: sorted(…)"),
        (Pair(1, 2), "is of type tests.unit.sdk.test_arguments.Pair; give a list or a dict: ._asdict()"),
        (float("nan"), "is nan, which JSON has not; give None or text"),
        ({1: 2}, "has the key 1; in JSON all keys are text"),
        (object(), "is of type object; give what JSON has: None, bool, int, float, str, list or dict"),
    ],
)
def test_what_json_has_not_is_named_by_its_parameter(value: object, wrong: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        check(plain, value)
    assert str(refused.value).replace("pathlib._local", "pathlib") == f"cannot run plain: argument a {wrong}"


@pytest.mark.parametrize(
    ("args", "kwargs", "where"),
    [
        ((1, 2, 3, {4}), {}, "argument folds[1] is"),
        ((1,), {"seed": {"a": [0, {1}]}}, "argument seed['a'][1] is"),
        ((1,), {"other": {1}}, "argument other is"),
        ((ITSELF,), {}, "is more than 100 levels deep, or contains itself"),
    ],
)
def test_the_place_within_an_argument_is_named(args: Any, kwargs: Any, where: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        check(train, *args, **kwargs)
    assert where in str(refused.value)
