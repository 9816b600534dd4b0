"""How errors read on the wire: RFC 9457, mapped here and nowhere else."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from runsd_sdk.host import FieldError, Problem

from runsd.errors import (
    Conflicting,
    DependenciesFailed,
    EngineConflict,
    EngineError,
    EngineUnavailable,
    Forbidden,
    Full,
    Misdirected,
    NotNow,
    Refused,
    RunsdError,
    SourceFailed,
    TooLarge,
    TooOften,
    Unidentified,
    Unknown,
    Unsigned,
)

STATUS_OF: Final[dict[type[RunsdError], HTTPStatus]] = {
    Refused: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unidentified: HTTPStatus.UNAUTHORIZED,
    TooOften: HTTPStatus.TOO_MANY_REQUESTS,
    Misdirected: HTTPStatus.MISDIRECTED_REQUEST,
    Forbidden: HTTPStatus.FORBIDDEN,
    Unknown: HTTPStatus.NOT_FOUND,
    Conflicting: HTTPStatus.CONFLICT,
    Full: HTTPStatus.TOO_MANY_REQUESTS,
    NotNow: HTTPStatus.SERVICE_UNAVAILABLE,
    Unsigned: HTTPStatus.UNAUTHORIZED,
    SourceFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    DependenciesFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    EngineUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineConflict: HTTPStatus.CONFLICT,
    EngineError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_REMEDY: Final = {
    "missing": "this field is required",
    "string_type": "write a string",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "bool_type": "write true or false",
    "list_type": "write a list",
    "dict_type": "write an object",
    "model_type": "write an object",
}
_TYPE_TAGS: Final = frozenset({"str", "int", "float", "bool"})


class Malformed(RunsdError):
    """A request that cannot be read at all, with the HTTP status that says how."""

    code = "malformed"

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message, code=status.name.lower())
        self.status = status


class Invalid(Exception):
    """A request whose fields are wrong, by its model's own account."""

    def __init__(self, failure: ValidationError) -> None:
        super().__init__(str(failure))
        self.failure = failure


def problem_of(failure: Exception) -> Problem:
    """Return the problem that stands for an error."""
    match failure:
        case Malformed():
            return _problem(failure.status, str(failure), failure.code)
        case Invalid():
            return _invalid(failure.failure)
        case RunsdError():
            status = next(STATUS_OF[kind] for kind in type(failure).__mro__ if kind in STATUS_OF)
            errors = failure.errors if isinstance(failure, Refused) else ()
            return _problem(status, str(failure), failure.code, errors)
        case web.HTTPException():
            status = HTTPStatus(failure.status)
            said = f"{failure.reason}; GET /v1/openapi.json lists every path and its methods"
            return _problem(status, said, status.name.lower())
        case _:
            said = "runsd failed in a way that its authors did not foresee; its log has the details"
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, said, "internal")


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """Encode a problem."""
    return web.Response(
        body=problem.model_dump_json(by_alias=True, exclude_none=True).encode(),
        status=problem.status,
        content_type="application/problem+json",
        headers=headers,
    )


def field_errors(failure: ValidationError) -> list[FieldError]:
    """Return one error per field, with a remedy in plain words."""
    found: dict[tuple[str | int, ...], str] = {}
    for error in failure.errors(include_url=False):
        loc = tuple(_field_path(error))
        found.setdefault(loc, _remedy(error))
    return [FieldError(loc=list(loc), msg=message) for loc, message in found.items()]


def _invalid(failure: ValidationError) -> Problem:
    errors = field_errors(failure)
    first = failure.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        said = f"the body is not JSON: {first['ctx']['error']}"
        return _problem(HTTPStatus.BAD_REQUEST, said, "bad_request")
    where = ".".join(str(part) for part in errors[0].loc) or "the request"
    said = f"cannot accept {where}: {errors[0].msg}"
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, "invalid", [(tuple(e.loc), e.msg) for e in errors])


def _field_path(error: ErrorDetails) -> Iterator[str | int]:
    """Leave out the names of types that pydantic puts into the path of a union."""
    for part in error["loc"]:
        if part not in _TYPE_TAGS and not (isinstance(part, str) and part.startswith(("list[", "function-"))):
            yield part


def _remedy(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no field {error['loc'][-1]!r} here; check its spelling, or leave it out"
    said = _REMEDY.get(error["type"])
    return said or error["msg"].removeprefix("Value error, ")


def _problem(
    status: HTTPStatus,
    detail: str,
    code: str,
    errors: "tuple[tuple[tuple[str | int, ...], str], ...] | list[tuple[tuple[str | int, ...], str]]" = (),
) -> Problem:
    return Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        errors=[FieldError(loc=list(loc), msg=message) for loc, message in errors],
    )
