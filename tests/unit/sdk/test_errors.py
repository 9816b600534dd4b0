"""Every answer that is not a yes becomes one error of the tree."""

import copy
import json
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from runsd_sdk import errors

from tests.unit.sdk.answers import result


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (415, errors.BadRequest),
        (418, errors.APIStatusError),
        (422, errors.Unprocessable),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (503, errors.ServerError),
    ],
)
def test_status_decides_the_kind(status: int, kind: type[errors.APIStatusError]) -> None:
    body = {"title": "No", "status": status, "detail": "cannot do it: reasons", "code": "no"}
    error = errors.status_error(status, json.dumps(body).encode())
    assert type(error) is kind
    assert (str(error), error.status, error.code) == ("cannot do it: reasons", status, "no")


def test_fields_are_listed_in_the_message() -> None:
    body = {
        "title": "Invalid",
        "status": 422,
        "detail": "cannot accept the run",
        "code": "invalid",
        "errors": [{"loc": ["runs", 0, "image"], "msg": "write a name"}],
    }
    error = errors.status_error(422, json.dumps(body).encode())
    assert str(error) == "cannot accept the run; runs.0.image: write a name"


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"\xff", b"[1]"])
def test_an_answer_of_somebody_else_is_still_an_error_with_a_status(body: bytes) -> None:
    error = errors.status_error(502, body)
    assert type(error) is errors.ServerError
    assert error.status == 502
    assert str(error)


def test_what_the_detail_says_is_not_said_twice() -> None:
    body = {"title": "No", "status": 422, "detail": "cannot accept image: write a name", "code": "invalid"}
    errors_ = [{"loc": ["image"], "msg": "write a name"}]
    error = errors.status_error(422, json.dumps({**body, "errors": errors_}).encode())
    assert str(error) == "cannot accept image: write a name"


TRACE = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\nValueError: no good\n'
BESIDE = TRACE.replace("File", 'File "threading.py", line 1, in _bootstrap\n  File', 1)


def raised(*problems: dict[str, Any], **changes: Any) -> Any:
    """Return how a run ended whose main thread exited as after an exception."""
    many = [{"type": "ValueError", "message": "no good", "stacktrace": TRACE, **each} for each in problems]
    ended = {"status": "failed", "exitCode": 1, **changes}
    return result(**ended).model_copy(
        update={"problems": [errors.RunProblem.model_validate(p) for p in many]}
    )


def test_what_a_function_returned_is_its_value() -> None:
    assert errors.returned(result().model_copy(update={"return_value": [1]})) == [1]


def test_an_exception_of_the_function_comes_with_its_trace() -> None:
    ended = raised({"origin": "logged", "message": "another"}, {"origin": "uncaught"})
    with pytest.raises(errors.RemoteException) as caught:
        errors.returned(ended)
    error = caught.value
    assert isinstance(error, errors.RunFailed)
    assert (error.type, error.message, error.stacktrace) == ("ValueError", "no good", TRACE)
    assert error.result is ended
    assert str(error) == "run_01a raised ValueError: no good"
    assert TRACE in "".join(traceback.format_exception(error))


def kinds(base: type[errors.RunsdError]) -> Iterator[type[errors.RunsdError]]:
    """Walk all kinds of an error."""
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def example(kind: type[errors.RunsdError]) -> errors.RunsdError:
    """Return an error of that kind with all that it can carry."""
    ended = raised({"origin": "uncaught"})
    special: dict[type, Callable[[], errors.RunsdError]] = {
        errors.DaemonUnreachable: lambda: errors.DaemonUnreachable("gone", sent=True, silent=True),
        errors.WaitTimeout: lambda: errors.WaitTimeout(ended, 2.5),
        errors.InvalidSpec: lambda: errors.InvalidSpec([errors.FieldError(loc=["image"], msg="write it")]),
        errors.RemoteException: lambda: errors.RemoteException(ended, ended.problems[0]),
    }
    if kind in special:
        return special[kind]()
    if issubclass(kind, errors.APIStatusError):
        return kind(errors.Problem(title="No", status=418, detail="cannot", code="no"))
    return kind(ended) if issubclass(kind, errors.RunFailed) else kind("cannot do it")


@pytest.mark.parametrize("kind", dict.fromkeys(kinds(errors.RunsdError)))
def test_a_pool_of_processes_can_hand_on_every_error(kind: type[errors.RunsdError]) -> None:
    error = example(kind)
    error.add_note("a note")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(again) is kind
        assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_it_is_the_last_exception_and_not_one_of_a_thread() -> None:
    early, late, latest = ({"lastSeen": f"2026-11-22T01:09:0{n}Z", "origin": "uncaught"} for n in (1, 2, 3))
    ended = raised(late | {"message": "it"}, early, latest | {"stacktrace": BESIDE})
    with pytest.raises(errors.RemoteException, match="ValueError: it"):
        errors.returned(ended)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"exitCode": 3}, errors.RunFailed),
        ({"reason": "oom_killed", "exitCode": 137}, errors.RunOutOfMemory),
        ({"status": "timeout", "reason": "deadline_exceeded"}, errors.RunTimedOut),
        ({"status": "cancelled", "reason": "cancelled"}, errors.RunCancelled),
        ({"reason": "dependencies_failed", "exitCode": None}, errors.RunFailed),
    ],
)
def test_other_ends_are_what_they_always_are(changes: dict[str, Any], kind: type) -> None:
    with pytest.raises(errors.RunFailed) as caught:
        errors.returned(raised({"origin": "uncaught"}, **changes))
    assert type(caught.value) is kind


def test_an_exit_with_code_1_is_no_exception() -> None:
    for problems in ([], [{"origin": "logged"}], [{"origin": "uncaught", "stacktrace": BESIDE}]):
        with pytest.raises(errors.RunFailed) as caught:
            errors.returned(raised(*problems))
        assert type(caught.value) is errors.RunFailed
