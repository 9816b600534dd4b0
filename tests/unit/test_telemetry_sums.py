"""Requests and tokens: each call counts once, by whatever and however often it is told."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runsd.telemetry.conventions import inference
from runsd.telemetry.sums import Totals
from tests.unit.telling import DURATION, call, calls_by_metrics, histogram, span, sums, totals

ONE = Totals(1, 10, 5)


def test_nothing_told_of_calls_is_not_zero_calls() -> None:
    assert totals() is None
    assert totals(span(1), sums("steps", 3)) is None


def test_calls_are_added_up() -> None:
    assert totals(call(1), call(2, tokens=(1, 2)), call(3, process="q")) == Totals(3, 21, 12)


def test_a_call_that_told_no_tokens_is_a_request() -> None:
    assert totals(call(1, tokens=(None, None))) == Totals(1, 0, 0)


def test_a_span_that_is_sent_again_counts_once() -> None:
    assert totals(call(1), call(1), call(1)) == ONE


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_of_calls_that_contain_calls_the_innermost_counts(order: tuple[int, ...]) -> None:
    told = [call(1, tokens=(30, 20)), span(2, 1), call(3, 2), span(4, 3)]
    assert totals(*(told[n] for n in order)) == ONE


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_call_around_two_counts_as_two(order: tuple[int, ...]) -> None:
    told = [call(1, tokens=(20, 10)), call(2, 1), call(3, 1)]
    assert totals(*(told[n] for n in order)) == Totals(2, 20, 10)


def test_spans_that_contain_each_other_do_no_harm() -> None:
    assert totals(call(1, 2), call(2, 1), call(3, 3)) is not None


spans = st.builds(
    lambda n, within, is_call: call(n, within) if is_call else span(n, within),
    st.integers(1, 6),
    st.none() | st.integers(1, 6),
    st.booleans(),
)


@given(st.lists(spans, unique_by=lambda one: one.id), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(told: list, random) -> None:  # type: ignore[no-untyped-def, type-arg]
    told = [one for one in told if one.parent is None or one.parent < one.id]  # no circles
    mixed = [*told, *told]
    random.shuffle(mixed)
    assert totals(*mixed) == totals(*told)


@pytest.mark.parametrize(
    ("attributes", "kind", "operation"),
    [
        ({"gen_ai.operation.name": "chat"}, 3, "chat"),
        ({"gen_ai.operation.name": "embeddings"}, 1, "embeddings"),
        ({"gen_ai.operation.name": "text_completion"}, 0, "text_completion"),
        ({"gen_ai.operation.name": "generate_content"}, 3, "generate_content"),
        ({"gen_ai.operation.name": "invoke_agent"}, 3, None),
        ({"gen_ai.operation.name": "execute_tool"}, 1, None),
        ({"gen_ai.operation.name": "fetch_response"}, 3, None),
        ({"gen_ai.operation.name": "chat"}, 2, None),  # the server's side of the same call
        ({"gen_ai.operation.name": 7}, 3, None),
        ({"llm.request.type": "completion"}, 3, "text_completion"),
        ({"llm.request.type": "rerank"}, 3, None),
        ({}, 3, None),
    ],
)
def test_what_is_a_call(attributes: dict[str, object], kind: int, operation: str | None) -> None:
    assert inference(attributes, kind) == operation


# Metrics


def test_metrics_tell_calls_where_there_are_no_spans() -> None:
    assert totals(*calls_by_metrics(3, 30, 15)) == Totals(3, 30, 15)


def test_what_spans_and_metrics_of_a_process_tell_counts_once() -> None:
    assert totals(call(1), *calls_by_metrics(1, 10, 5)) == ONE
    assert totals(*calls_by_metrics(1, 10, 5), call(1)) == ONE


def test_processes_that_tell_by_spans_and_by_metrics_are_added_up() -> None:
    assert totals(call(1), *calls_by_metrics(2, 20, 10, process="q")) == Totals(3, 30, 15)


def test_tokens_come_from_metrics_where_no_span_tells_any() -> None:
    assert totals(call(1, tokens=(None, None)), *calls_by_metrics(1, 10, 5)) == ONE


def test_a_process_whose_calls_all_contain_calls_is_not_counted_by_its_metrics() -> None:
    assert totals(call(1), call(2, 1, process="proxy"), *calls_by_metrics(1, 10, 5)) == ONE


def test_agents_in_metrics_are_no_requests() -> None:
    agent = {"gen_ai.operation.name": "invoke_agent"}
    assert totals(histogram(DURATION, 4, 1, attributes=agent)) is None


def test_without_durations_each_operation_tells_its_tokens_once() -> None:
    assert totals(*calls_by_metrics(3, 30, 15)[1:]) == Totals(3, 30, 15)


def test_old_and_new_names_for_the_same_calls_count_once() -> None:
    new = [
        histogram("gen_ai.client.inference.duration", 3, 1),
        sums("gen_ai.client.inference.usage.input_tokens", 30),
        sums("gen_ai.client.inference.usage.output_tokens", 15),
    ]
    assert totals(*new) == totals(*calls_by_metrics(3, 30, 15), *new) == Totals(3, 30, 15)


def test_embeddings_by_new_names_are_added_to_inference() -> None:
    new = [
        histogram("gen_ai.client.embeddings.duration", 2, 1),
        histogram("gen_ai.client.embeddings.operation.input_tokens", 2, 8),
    ]
    assert totals(*calls_by_metrics(3, 30, 15), *new) == Totals(5, 38, 15)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(1, 2), (2, 3), (3, 4)], 3),  # it goes on
        ([(3, 4), (3, 4)], 3),  # sent again
        ([(3, 4), (1, 2)], 3),  # overtaken on its way
        ([(3, 4), (2, 5)], 3),  # another process by the same name: what it tells of itself is not known
    ],
)
def test_cumulative_points_of_one_start_tell_one_total(steps: list[tuple[int, int]], expected: int) -> None:
    told = [point for count, time in steps for point in calls_by_metrics(count, count, count, time=time)]
    assert totals(*told) == Totals(expected, expected, expected)


def test_a_process_that_begins_again_is_added() -> None:
    first, second = calls_by_metrics(3, 30, 15, start=1), calls_by_metrics(1, 10, 5, start=9, time=10)
    assert totals(*first, *second) == totals(*second, *first) == Totals(4, 40, 20)


def test_without_a_start_less_than_before_is_a_new_beginning() -> None:
    steps = [(3, 1), (5, 2), (1, 3), (2, 4)]
    told = [point for count, time in steps for point in calls_by_metrics(count, 0, 0, start=0, time=time)]
    assert totals(*told) == Totals(7, 0, 0)


def test_delta_points_are_added_and_one_sent_again_is_not() -> None:
    steps = [(1, 2), (2, 3), (2, 3), (3, 4)]
    told = [
        point
        for start, time in steps
        for point in calls_by_metrics(1, 10, 5, start=start, time=time, delta=True)
    ]
    assert totals(*told) == Totals(3, 30, 15)
