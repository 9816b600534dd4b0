"""Calls that the Engine owes an answer: which keep it under suspicion, and what clears it."""

import pytest

from runsd.engine.calls import Calls, kind_of
from runsd.errors import EngineNotFound


def unanswered(calls: Calls, kind: str) -> None:
    with pytest.raises(TimeoutError), calls.asked(kind):
        raise TimeoutError


def owed(calls: Calls) -> str | None:
    longest = calls.longest()
    return longest.kind if longest else None


def test_a_call_is_owed_while_it_waits_and_not_when_it_was_answered() -> None:
    calls = Calls()
    with calls.asked("container start"):
        assert owed(calls) == "container start"
    assert owed(calls) is None


def test_a_call_that_was_given_up_stays_owed_until_its_kind_is_answered() -> None:
    calls = Calls()
    unanswered(calls, "container start")
    with calls.asked("container inspect"):
        pass
    assert owed(calls) == "container start"
    with calls.asked("container start"):
        pass
    assert owed(calls) is None


def test_a_refusal_is_an_answer() -> None:
    calls = Calls()
    unanswered(calls, "container start")
    with pytest.raises(EngineNotFound), calls.asked("container start"):
        raise EngineNotFound("gone", status=404)
    assert owed(calls) is None


def test_an_answer_clears_no_younger_call() -> None:
    calls = Calls()
    with calls.asked("container kill"):
        unanswered(calls, "container kill")
    assert owed(calls) == "container kill"


def test_a_call_that_its_caller_let_go_is_not_owed() -> None:
    calls = Calls()
    with pytest.raises(KeyError), calls.asked("container start"):
        raise KeyError
    assert owed(calls) is None


def test_a_call_that_was_given_up_is_forgotten_in_time_for_nobody_may_ask_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runsd.engine.calls._REMEMBERED_S", 0.0)
    calls = Calls()
    unanswered(calls, "container remove")
    assert owed(calls) is None


def test_an_engine_that_went_away_owes_nothing() -> None:
    calls = Calls()
    unanswered(calls, "container start")
    calls.forget()
    assert owed(calls) is None


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/containers/create", "container create"),
        ("POST", "/containers/0123/start", "container start"),
        ("GET", "/containers/0123/json", "container inspect"),
        ("GET", "/containers/0123/stats", "container stats"),
        ("GET", "/containers/json", "container list"),
        ("DELETE", "/containers/0123", "container remove"),
        ("GET", "/images/registry:5000/team/image:1/json", "image inspect"),
        ("GET", "/volumes/cache", "volume inspect"),
        ("DELETE", "/volumes/cache", "volume remove"),
        ("GET", "/_ping", "_ping"),
    ],
)
def test_a_call_has_the_name_that_the_command_line_gives_it(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind
