"""How values read on a page."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from runsd.web import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"), (0, "0.00 s"), (0.4249, "0.42 s"), (9.999, "10.00 s"), (12.34, "12.3 s"),
        (59.94, "59.9 s"), (60, "1 m 00 s"), (3599, "59 m 59 s"), (3600, "1 h 00 m"),
        (172_799, "47 h 59 m"), (172_800, "2 d 0 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        ("0", "$0.0000"),
        ("0.00005", "< $0.0001"),
        ("0.00125", "$0.0012"),
        ("0.0999", "$0.0999"),
        ("1.5", "$1.50"),
    ],
)
def test_costs_that_grow(usd: str, said: str) -> None:
    assert words.growing(Decimal(usd)) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**60, "1048576.0 TiB"),
    ],
)
def test_sizes(count: float | None, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        ("0", "$0"), ("0.864", "$0.86"), ("0.1", "$0.10"), ("1234567.891", "$1,234,567.89"),
        ("0.05", "$0.050"),
        ("0.000000098", "$0.000000098"), ("0.0001234567", "$0.00012"),
    ],
)  # fmt: skip
def test_money_tells_something_also_where_it_is_little(usd: str, said: str) -> None:
    assert words.money(usd) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (0.25, "0.25"), (12.3456, "12.3"), (100_000.0, "100,000"), (21600, "21,600"),
        (999.4, "999"), (999.6, "1,000"), (-0.25, "-0.25"), (-1234.5, "-1,234"), (-5.0, "-5"),
        (2**60, "1,152,921,504,606,846,976"),
        (0.00001234, "0.0000123"), (1e-300, "1e-300"), (1e300, "1e+300"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_numbers(value: float, said: str) -> None:
    assert words.number(value) == said


def test_instants_are_exact_for_machines_and_plain_for_people() -> None:
    instant = datetime(2026, 11, 22, 1, 9, 25, 928_000, tzinfo=UTC)
    assert words.exact(instant) == "2026-11-22T01:09:25.928000Z"
    assert words.plain(instant) == "2026-11-22 01:09:25 UTC"
    assert words.exact(instant.replace(year=1, microsecond=0)) == "0001-11-22T01:09:25.000000Z"
    assert words.local(instant.replace(year=1)) == "0001-11-22T01:09:25"


def test_json_is_laid_out_unless_it_is_very_long() -> None:
    assert words.pretty({"a": [1.0, "é"]}) == '{\n  "a": [\n    1.0,\n    "é"\n  ]\n}'
    assert "\n" not in words.pretty(["x" * 1000] * 70)
