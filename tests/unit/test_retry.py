"""Whether another attempt follows: by policy, by count, after a delay that grows and is spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runsd_sdk.run import Reason
from runsd_sdk.spec import Retries

from runsd.retry import delay_s
from runsd.run import Outcome

FAILED = Outcome(Reason.EXITED, "", 3)
EVERYTHING = ["exited", "oom_killed", "deadline_exceeded", "image_pull_failed", "lost"]


def follows(ended: Outcome, *on: str, limit: int = 1, attempt: int = 1) -> bool:
    policy = Retries(limit=limit, on=list(on))
    return delay_s(policy, ended, attempt, jitter=0) is not None


def test_without_a_policy_every_outcome_stands() -> None:
    assert delay_s(None, FAILED, 1, jitter=0) is None


def test_the_limit_counts_the_attempts_after_the_first() -> None:
    assert [follows(FAILED, "exited", limit=2, attempt=n) for n in (1, 2, 3)] == [True, True, False]
    assert not follows(FAILED, "exited", limit=0)


@pytest.mark.parametrize("reason", Reason)
def test_an_outcome_is_repeated_where_the_policy_names_it(reason: Reason) -> None:
    code = 3 if reason is Reason.EXITED else None
    assert follows(Outcome(reason, "", code), *EVERYTHING) == (reason.value in EVERYTHING)
    others = [name for name in EVERYTHING if name != reason.value]
    assert not follows(Outcome(reason, "", code), *others)


def test_a_success_and_a_cancel_are_never_repeated() -> None:
    assert not follows(Outcome(Reason.EXITED, "", 0), "exited", "exited:0")
    assert not follows(Outcome(Reason.CANCELLED, "", 143), *EVERYTHING)


def test_an_exit_may_be_named_by_its_code() -> None:
    assert follows(FAILED, "exited:3")
    assert not follows(FAILED, "exited:4")
    assert not follows(FAILED, "exited:33", "exited:13")


def test_the_defaults_repeat_failures_and_no_deadlines() -> None:
    policy = Retries(limit=1)
    assert delay_s(policy, FAILED, 1, jitter=0) == 1
    assert delay_s(policy, Outcome(Reason.LOST, ""), 1, jitter=0) == 1
    assert delay_s(policy, Outcome(Reason.DEADLINE_EXCEEDED, ""), 1, jitter=0) is None


def test_the_delay_doubles_up_to_its_maximum() -> None:
    policy = Retries(limit=10, backoff_seconds=2, max_backoff_seconds=12)
    assert [delay_s(policy, FAILED, n, jitter=0) for n in range(1, 6)] == [2, 4, 8, 12, 12]


@given(
    st.integers(1, 10),
    st.floats(0, 3600),
    st.floats(0, 86_400),
    st.floats(0, 1, exclude_max=True),
)
def test_jitter_takes_off_up_to_half(attempt: int, backoff: float, longest: float, jitter: float) -> None:
    policy = Retries(limit=10, backoff_seconds=backoff, max_backoff_seconds=longest)
    full = delay_s(policy, FAILED, attempt, jitter=0)
    delay = delay_s(policy, FAILED, attempt, jitter=jitter)
    assert full is not None
    assert delay is not None
    assert full / 2 <= delay <= full <= longest
