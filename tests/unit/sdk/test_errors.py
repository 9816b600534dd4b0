"""Every answer that is not a yes becomes one error of the tree."""

import json

import pytest
from runsd_sdk import errors


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
