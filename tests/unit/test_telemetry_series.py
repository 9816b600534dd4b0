"""Metrics by name, exceptions, and what is stored of both."""

import json

from runsd.telemetry.facts import Raised, Signal
from runsd.telemetry.rows import changes, take_in
from runsd.telemetry.series import MOST_NAMES, MOST_SETS, Shown
from runsd.telemetry.sums import Account
from runsd.telemetry.view import named, problem_lines
from tests.unit.telling import account, call, calls_by_metrics, error, gauge, histogram, place, span, sums

PYTHON_STACK = 'Traceback (most recent call last):\n  File "t.py", line {}, in f\nValueError: {}'


def only(account: Account) -> Shown:
    (shown,) = account.shown()
    return shown


def test_of_a_gauge_the_newest_value_is_shown() -> None:
    told = account(gauge("loss", 3, time=5), gauge("loss", 2, time=9, process="q"), gauge("loss", 7, time=4))
    assert named(only(told)).value == 2


def test_sums_of_processes_are_added() -> None:
    told = account(sums("steps", 3), sums("steps", 4, time=3), sums("steps", 0.5, process="q"))
    assert named(only(told)).value == 4.5


def test_a_sum_that_may_fall_shows_where_it_is() -> None:
    told = account(sums("queue", 5, monotonic=False), sums("queue", 2, time=3, monotonic=False))
    assert named(only(told)).value == 2


def test_histograms_show_count_sum_least_and_most() -> None:
    told = account(histogram("s", 2, 8, low=3, high=5), histogram("s", 1, 1, process="q", low=1, high=1))
    shown = named(only(told)).wire()
    assert {key: shown[key] for key in ("count", "sum", "min", "max", "value")} == {
        "count": 3, "sum": 9, "min": 1, "max": 5, "value": None,
    }  # fmt: skip


def test_attributes_keep_series_apart() -> None:
    told = account(sums("steps", 1, attributes={"fold": 1}), sums("steps", 2, attributes={"fold": 2}))
    assert [(named(one).attributes, named(one).value) for one in told.shown()] == [
        ({"fold": 1}, 1),
        ({"fold": 2}, 2),
    ]


def test_of_too_many_names_and_sets_it_is_said_that_there_are_more() -> None:
    told = account(*(sums(f"m{n}", 1) for n in range(MOST_NAMES)))
    assert not told.more
    assert told.series.add(sums("m0", 2, time=3))
    assert not told.series.add(sums("one more", 1))
    sets = account(*(sums("m", 1, attributes={"n": n}) for n in range(MOST_SETS + 1)))
    assert sets.more
    assert len(list(sets.shown())) == MOST_SETS


def test_calls_of_models_are_counted_however_many_metrics_there_are() -> None:
    told = account(*(sums(f"m{n}", 1) for n in range(MOST_NAMES + 1)), *calls_by_metrics(2, 20, 10))
    assert (counted := told.totals()) is not None
    assert counted.requests == 2


# Exceptions


def problems(*told: Raised) -> list[tuple[str, int]]:
    return [(problem.message, problem.count) for _, problem in account(*told).problems()]


def test_an_exception_that_leaves_several_spans_is_one() -> None:
    told = account(
        span(3, 2, raised=(error(at=3, time_us=1),)),
        span(2, 1, raised=(error(at=2, time_us=2),)),
        span(1, raised=(error(at=1, time_us=3),)),
    )
    assert [problem.count for _, problem in told.problems()] == [1]


def test_exceptions_of_one_span_after_another_are_several() -> None:
    spans = (span(n, 9, raised=(error(at=n, time_us=n),)) for n in (1, 2, 3))
    assert [problem.count for _, problem in account(*spans).problems()] == [3]


def test_one_in_a_span_and_in_a_log_record_is_one() -> None:
    in_span, in_log = error(at=1), error(at=1, signal=Signal.LOGS, time_us=2)
    assert problems(in_span, in_log) == problems(in_log, in_span) == [("no", 1)]


def test_a_log_record_that_is_sent_again_counts_once() -> None:
    logged = error(signal=Signal.LOGS)
    assert problems(logged, logged, error(signal=Signal.LOGS, time_us=2)) == [("no", 2)]


def test_exceptions_of_one_place_are_one_problem_whatever_they_say() -> None:
    told = [error(f"row {n}", time_us=n, stack=PYTHON_STACK.format(7, n)) for n in range(1, 4)]
    other = error("row 9", time_us=9, stack=PYTHON_STACK.format(8, 9))
    assert problems(*told, other) == [("row 1", 3), ("row 9", 1)]


def test_problems_are_told_as_a_run_s_own_file_tells_them() -> None:
    told = account(error("a", time_us=1_500_000), error("a", time_us=2_500_000))
    first, again = map(json.loads, problem_lines(told.problems()).splitlines())
    same = {"fingerprint": first["fingerprint"], "origin": "opentelemetry"}
    assert first == {**same, "type": "ValueError", "message": "a", "stacktrace": "", "time": 1.5, "count": 1}
    assert again == {**same, "time": 2.5, "count": 1}


# What is stored


def told_all() -> Account:
    return account(
        call(1), call(2, process="q"), span(7, raised=(error(at=7),)), gauge("loss", 0.25, time=4),
        sums("steps", 3, attributes={"fold": 1, "train": True}), sums("d", 1, delta=True, start=1, time=2),
        histogram("s", 2, 8), *calls_by_metrics(2, 20, 10, process="r"),
        *(sums("many", 1, attributes={"n": n}) for n in range(MOST_SETS + 1)),
    )  # fmt: skip


def test_an_account_made_of_its_rows_is_the_same_and_goes_on() -> None:
    before, after = told_all(), Account()
    rows = changes(before, most=10**6)
    assert not changes(before, most=10**6)
    for row in rows:
        take_in(after, row)
    assert after.totals() == before.totals()
    assert list(after.shown()) == list(before.shown())
    assert after.problems() == before.problems()
    assert after.more
    for one in (before, after):
        one.series.add(sums("d", 1, delta=True, start=1, time=2))  # sent again
        one.series.add(sums("steps", 5, time=9, attributes={"fold": 1, "train": True}))
        one.calls.add(call(3))
    assert after.totals() == before.totals()
    assert list(after.shown()) == list(before.shown())


def test_changes_are_told_a_few_at_a_time_and_each_once() -> None:
    account = told_all()
    pieces = []
    while rows := changes(account, most=3):
        assert len(rows) <= 3
        pieces += rows
    assert len({(row.kind, row.key) for row in pieces}) == len(pieces) > 10


def test_attempts_read_as_one_are_added_up() -> None:
    attempts = [account(call(1), sums("steps", 3), *calls_by_metrics(1, 1, 1, process="m")) for _ in range(2)]
    both = Account()
    for number, attempt in enumerate(attempts):
        for row in changes(attempt, most=10**6):
            take_in(both, row, apart=f"{number}/")
    assert (counted := both.totals()) is not None
    assert (counted.requests, counted.tokens_in, counted.tokens_out) == (4, 22, 12)
    assert [named(one).value for one in both.shown() if one.name == "steps"] == [6]


def test_places_are_told_apart() -> None:
    assert place(1) != place(2)
