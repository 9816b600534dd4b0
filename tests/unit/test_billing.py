"""The bill is exact: parts add up to the whole to the last digit, and money is never a float."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd import billing
from runsd.api.usage import cell
from runsd.clock import micros

PRICE = Decimal("0.00004")
FREE = 100_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

starts = st.integers(0, micros(datetime(2200, 1, 1, tzinfo=UTC)))
durations = st.integers(0, 3 * DAY_US)
cpus = st.integers(10, 1_000_000)
prices = st.decimals(0, 10, places=12, allow_nan=False, allow_infinity=False)


def us(*when: int) -> int:
    return micros(datetime(*when, tzinfo=UTC))  # type: ignore[arg-type, misc]


def test_nine_runs_of_four_cores_for_ten_minutes() -> None:
    start = us(2026, 11, 22, 1, 0)
    runs = [billing.lines(start, 600 * SECOND_US, cpu_milli=4000) for _ in range(9)]
    total = sum(line.nano_vcpu_s for lines in runs for line in lines)
    assert total == 21_600 * billing.NANO
    assert billing.money(billing.cost_usd(total, PRICE)) == "0.864"
    assert [billing.money(billing.cost_usd(lines[0].nano_vcpu_s, PRICE)) for lines in runs] == ["0.096"] * 9
    month = billing.month(total, free_vcpu_s=FREE, price_usd=PRICE)
    assert (month.billable_nano_vcpu_s, billing.money(month.cost_usd)) == (0, "0")


def test_the_free_tier_ends_at_its_last_nano_second() -> None:
    def cost(nano: int) -> str:
        return billing.money(billing.month(nano, free_vcpu_s=FREE, price_usd=PRICE).cost_usd)

    assert cost(FREE * billing.NANO) == "0"
    assert cost(FREE * billing.NANO + 1) == "0.00000000000004"
    assert cost((FREE + 25_000) * billing.NANO) == "1"


def test_a_run_across_the_months_end_is_split_at_midnight() -> None:
    lines = billing.lines(us(2026, 11, 30, 23, 59, 50), 30 * SECOND_US, cpu_milli=500)
    assert lines == [
        billing.Line("2026-11-30", 10 * SECOND_US * 500),
        billing.Line("2026-12-01", 20 * SECOND_US * 500),
    ]


def test_a_run_across_three_days_has_a_line_for_each() -> None:
    lines = billing.lines(us(2026, 12, 31, 12), 2 * DAY_US, cpu_milli=1000)
    assert [line.day for line in lines] == ["2026-12-31", "2027-01-01", "2027-01-02"]
    assert [line.nano_vcpu_s for line in lines] == [DAY_US * 500, DAY_US * 1000, DAY_US * 500]


def test_one_that_took_no_time_is_a_line_of_nothing() -> None:
    assert billing.lines(us(2026, 11, 1), 0, cpu_milli=1000) == [billing.Line("2026-11-01", 0)]


def test_one_that_ends_at_midnight_has_no_line_on_the_next_day() -> None:
    lines = billing.lines(us(2026, 11, 30, 23), 3600 * SECOND_US, cpu_milli=1000)
    assert [line.day for line in lines] == ["2026-11-30"]


@given(starts, durations, cpus)
def test_the_lines_of_an_attempt_are_the_whole(start: int, duration: int, cpu: int) -> None:
    lines = billing.lines(start, duration, cpu_milli=cpu)
    assert sum(line.nano_vcpu_s for line in lines) == duration * cpu
    assert all(0 <= line.nano_vcpu_s <= DAY_US * cpu for line in lines)
    days = [line.day for line in lines]
    assert days == sorted(set(days))
    assert days[0] == f"{datetime.fromtimestamp(start // SECOND_US, UTC):%Y-%m-%d}"


@given(st.lists(st.tuples(starts, durations, cpus), max_size=20), prices)
def test_a_months_list_price_is_the_sum_of_its_lines(
    attempts: list[tuple[int, int, int]], price: Decimal
) -> None:
    months: dict[str, int] = {}
    bill: dict[str, Fraction] = {}
    for start, duration, cpu in attempts:
        for line in billing.lines(start, duration, cpu_milli=cpu):
            month = line.day[:7]
            months[month] = months.get(month, 0) + line.nano_vcpu_s
            cost = billing.money(billing.cost_usd(line.nano_vcpu_s, price))
            bill[month] = bill.get(month, Fraction()) + Fraction(cost)
    for month, nano in months.items():
        assert Fraction(billing.money(billing.cost_usd(nano, price))) == bill[month]
    assert sum(months.values()) == sum(duration * cpu for _, duration, cpu in attempts)


@given(starts, st.integers(-DAY_US, 3 * DAY_US), st.integers(0, 2 * DAY_US))
def test_what_is_billed_is_never_negative_and_never_over_the_limit(start: int, ran: int, limit: int) -> None:
    billed = billing.billed_us(start, start + ran, limit_us=limit)
    assert 0 <= billed <= limit
    assert billed == ran or billed in (0, limit)


def test_a_clock_that_stepped_back_costs_nothing() -> None:
    assert billing.billed_us(us(2026, 11, 22, 2), us(2026, 11, 22, 1), limit_us=DAY_US) == 0


def test_a_daemon_that_was_down_at_the_deadline_costs_the_user_nothing() -> None:
    assert billing.billed_us(0, DAY_US, limit_us=70 * SECOND_US) == 70 * SECOND_US


@given(st.integers(0, 10**24), prices, st.integers(0, 10**9))
def test_a_month_is_never_negative_and_never_over_list_price(nano: int, price: Decimal, free: int) -> None:
    month = billing.month(nano, free_vcpu_s=free, price_usd=price)
    assert 0 <= month.cost_usd <= billing.cost_usd(nano, price)
    assert month.billable_nano_vcpu_s == max(0, nano - free * billing.NANO)


@given(st.integers(0, 10**30), prices)
def test_the_price_is_a_product_without_rounding(nano: int, price: Decimal) -> None:
    assert Fraction(billing.cost_usd(nano, price)) == Fraction(nano, billing.NANO) * Fraction(price)


@given(st.integers(0, 10**30), prices)
def test_money_is_plain_digits_that_read_back_exactly(nano: int, price: Decimal) -> None:
    cost = billing.cost_usd(nano, price)
    text = billing.money(cost)
    assert set(text) <= set("0123456789.")
    assert Decimal(text) == cost
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("0E-12", "0"),
        ("1E+3", "1000"),
        ("1E-12", "0.000000000001"),
        ("10.50", "10.5"),
        ("100", "100"),
    ],
)
def test_money_has_no_exponent_and_no_idle_zeros(amount: str, text: str) -> None:
    assert billing.money(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("team", "team"), ("-1", "-1"), ("+2.5", "+2.5"), ("", ""),
        ("=1+1", "'=1+1"), ("@a", "'@a"), ("-1+a()", "'-1+a()"), ("\t=1", "'\t=1"),
    ],
)  # fmt: skip
def test_no_group_is_a_formula_to_a_spreadsheet(key: str, written: str) -> None:
    assert cell(key) == written
