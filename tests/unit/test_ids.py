"""Identifiers sort by creation, whatever the host's clock does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.ids import Ids, earliest

NOW_US = 1_763_773_765_928_000


def ids(*instants_us: int) -> list[str]:
    clock = iter(instants_us)
    made = Ids(lambda: next(clock))
    return [made.new("run") for _ in instants_us]


def test_an_id_is_a_prefix_and_a_lower_case_ulid() -> None:
    assert re.fullmatch(r"vol_[0-7][0-9a-hjkmnp-tv-z]{25}", Ids(lambda: NOW_US).new("vol"))


def test_ids_of_one_millisecond_keep_their_order() -> None:
    made = ids(*[NOW_US] * 1000)
    assert made == sorted(set(made))


def test_ids_keep_their_order_when_the_clock_steps_back() -> None:
    made = ids(NOW_US, NOW_US - 3_600_000_000, NOW_US - 3_599_000_000, NOW_US + 1000)
    assert made == sorted(set(made))


def test_a_later_millisecond_makes_a_fresh_id() -> None:
    first, second = ids(NOW_US, NOW_US + 1000)
    assert first[4:14] < second[4:14]
    assert first[14:] != second[14:]


def test_two_makers_do_not_make_the_same() -> None:
    assert Ids(lambda: NOW_US).new("run") != Ids(lambda: NOW_US).new("run")


@given(st.lists(st.integers(0, 2**44), min_size=1, max_size=50))
def test_ids_sort_by_creation_for_any_clock(milliseconds: list[int]) -> None:
    made = ids(*[ms * 1000 for ms in milliseconds])
    assert made == sorted(set(made))


@given(st.integers(0, 2**54), st.integers(0, 2**54))
def test_what_was_made_since_does_not_sort_before_the_earliest(made_us: int, since_us: int) -> None:
    (made,) = ids(made_us)
    assert (made >= earliest("run", since_us)) or made_us < since_us


@pytest.mark.parametrize("us", [-1, 2**80])
def test_the_earliest_id_exists_for_any_instant(us: int) -> None:
    assert len(earliest("run", us)) == len("run_") + 26
