"""Every error that runsd raises has its place in HTTP, and says what to do in a form machines can read."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from aiohttp import web
from pydantic import BaseModel, ValidationError
from runsd_sdk.spec import RunSpec

from runsd import errors
from runsd.api.problems import STATUS_OF, Invalid, Malformed, field_errors, problem_of, problem_response
from runsd.errors import EngineNotFound, EngineUnavailable, Refused, RunsdError

EXPECTED = {
    "Refused": 422,
    "TooLarge": 413,
    "Unidentified": 401,
    "TooOften": 429,
    "Misdirected": 421,
    "Forbidden": 403,
    "Unknown": 404,
    "Conflicting": 409,
    "SecretsLocked": 409,
    "Full": 429,
    "Unsigned": 401,
    "NotNow": 503,
    "SourceFailed": 422,
    "DependenciesFailed": 422,
    "EngineError": 503,
    "EngineUnavailable": 503,
    "EngineNotFound": 503,
    "EngineConflict": 409,
    "EngineRefused": 503,
    "Malformed": 400,
}


def below(kind: type[RunsdError]) -> Iterator[type[RunsdError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


# Those that a room keeps to itself are one of these to everybody else.
PUBLIC = ("runsd.errors", "runsd.api.problems")
ERRORS = sorted({e for e in below(RunsdError) if e.__module__ in PUBLIC}, key=lambda e: e.__name__)


def test_no_error_is_forgotten() -> None:
    assert {kind.__name__ for kind in ERRORS} == EXPECTED.keys()


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_a_status_and_says_its_sentence(kind: type[RunsdError]) -> None:
    problem = problem_of(kind("cannot do this: it is broken; mend it"))
    assert problem.status == EXPECTED[kind.__name__]
    assert problem.title == HTTPStatus(problem.status).phrase
    assert problem.detail == "cannot do this: it is broken; mend it"
    assert problem.code


def test_codes_of_errors_tell_them_apart() -> None:
    codes = [kind.code for kind in ERRORS]
    assert len(set(codes)) == len(codes)
    assert problem_of(errors.Conflicting("no", code="volume_in_use")).code == "volume_in_use"


def test_only_the_errors_of_the_tree_are_mapped() -> None:
    assert set(STATUS_OF) <= set(ERRORS)


def test_what_the_engine_said_with_a_status_is_still_not_the_clients_fault() -> None:
    assert problem_of(EngineNotFound("no such image", status=404)).status == 503
    assert problem_of(EngineUnavailable("connection refused")).code == "engine_unavailable"


def test_a_refusal_names_its_fields() -> None:
    problem = problem_of(Refused("no", errors=[(("runs", 3, "image"), "allow it")]))
    assert [(error.loc, error.msg) for error in problem.errors] == [(["runs", 3, "image"], "allow it")]


def test_a_malformed_request_has_the_status_that_says_how() -> None:
    problem = problem_of(Malformed("too much", HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
    assert (problem.status, problem.code) == (413, "request_entity_too_large")


def test_http_errors_of_the_server_are_problems_too() -> None:
    for failure in (web.HTTPNotFound(), web.HTTPMethodNotAllowed("PUT", ["GET"])):
        problem = problem_of(failure)
        assert problem.status == failure.status
        assert "/v1/openapi.json" in problem.detail


def test_a_fault_of_ours_says_nothing_of_our_insides() -> None:
    problem = problem_of(KeyError("password"))
    assert (problem.status, problem.code) == (500, "internal")
    assert "password" not in problem.model_dump_json()


def test_a_body_that_is_no_json_is_malformed_not_invalid() -> None:
    assert problem_of(Invalid(failure_of(RunSpec, "{"))).status == 400
    assert problem_of(Invalid(failure_of(RunSpec, "[]"))).status == 422


def test_a_union_is_one_error_at_the_field_and_not_one_per_branch() -> None:
    found = field_errors(failure_of(RunSpec, '{"image": "a", "resources": {"requests": {"cpu": []}}}'))
    assert [error.loc for error in found] == [["resources", "requests", "cpu"]]


def test_every_wrong_field_is_named_once() -> None:
    body = '{"image": "A B", "timeoutSeconds": 0, "colour": 1, "env": {"A": 1}}'
    found = {".".join(map(str, error.loc)): error.msg for error in field_errors(failure_of(RunSpec, body))}
    assert found.keys() == {"image", "timeoutSeconds", "colour", "env.A"}
    assert found["colour"] == "there is no field 'colour' here; check its spelling, or leave it out"
    assert found["env.A"] == "write a string"


def test_a_problem_on_the_wire_is_problem_json_without_what_it_lacks() -> None:
    response = problem_response(problem_of(errors.Unknown("no")), {"Allow": "GET"})
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert response.headers["Allow"] == "GET"
    assert isinstance(response.body, bytes)
    assert b"null" not in response.body


def failure_of(model: type[BaseModel], body: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(body)
    return caught.value
