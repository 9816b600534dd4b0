"""What a map runs over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.cli.over import MOST, parse


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("FOLD=0..3", "FOLD", ("0", "1", "2", "3")),
        ("FOLD=3..0", "FOLD", ("3", "2", "1", "0")),
        ("FOLD=-1..1", "FOLD", ("-1", "0", "1")),
        ("FOLD=5..5", "FOLD", ("5",)),
        ("N=08..11", "N", ("08", "09", "10", "11")),
        ("MODEL=a,b,c", "MODEL", ("a", "b", "c")),
        ("URL=http://x/?a=1", "URL", ("http://x/?a=1",)),
        ("V=1.5..2", "V", ("1.5..2",)),
    ],
)
def test_values(text: str, key: str, values: tuple[str, ...]) -> None:
    over = parse(text)
    assert (over.key, over.values) == (key, values)


@pytest.mark.parametrize("text", ["", "KEY", "KEY=", "=a", "KEY=a,,b", "KEY=a,"])
def test_what_is_no_list_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="KEY=a,b,c"):
        parse(text)


def test_a_range_has_a_bound() -> None:
    assert len(parse(f"N=1..{MOST}").values) == MOST
    with pytest.raises(ValueError, match=f"at most {MOST}"):
        parse("N=0..999999999")


@given(st.integers(-500, 500), st.integers(-500, 500))
def test_a_range_holds_both_ends_and_all_between(first: int, last: int) -> None:
    values = [int(value) for value in parse(f"N={first}..{last}").values]
    assert values[0] == first
    assert values[-1] == last
    assert sorted(values) == list(range(min(first, last), max(first, last) + 1))
