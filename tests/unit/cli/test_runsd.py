"""How ``runsd serve`` ends: the host's troubles are sentences, bugs are tracebacks."""

import pytest

from runsd.cli.runsd import carried_out
from runsd.errors import NotNow


async def failing(failure: BaseException) -> None:
    raise failure


async def well() -> None:
    pass


def test_work_that_ends_well_has_nothing_to_say() -> None:
    assert carried_out(well()) == []


def test_one_trouble_is_one_sentence() -> None:
    assert carried_out(failing(NotNow("cannot use /x: taken"))) == ["cannot use /x: taken"]
    assert carried_out(failing(OSError(28, "No space left"))) == ["cannot serve: [Errno 28] No space left"]


def test_troubles_of_both_kinds_and_in_nested_groups_are_each_said_once() -> None:
    inner = ExceptionGroup("inner", [OSError("full"), NotNow("cannot use /x: taken"), OSError("full")])
    outer = ExceptionGroup("outer", [NotNow("cannot listen: no"), ExceptionGroup("middle", [inner])])
    expected = ["cannot listen: no", "cannot serve: full", "cannot use /x: taken"]
    assert carried_out(failing(outer)) == expected


def test_a_bug_is_raised_although_the_host_is_in_trouble_too() -> None:
    both = ExceptionGroup("both", [OSError("full"), KeyError("bug")])
    with pytest.raises(ExceptionGroup) as raised:
        carried_out(failing(both))
    assert [type(each) for each in raised.value.exceptions] == [KeyError]
