"""One request as its handler sees it: decoded, with everything it may use."""

import hashlib
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from runsd_sdk.wire import Answer

from runsd.access import Caller
from runsd.api.problems import Invalid, Malformed
from runsd.api.services import Services
from runsd.errors import Refused, Unknown

MIB = 1024**2
M = TypeVar("M", bound=BaseModel)


class Query(BaseModel):
    """Parameters behind the question mark: camelCase, and no others than these.

    ``project`` says which project a request is about, as the header Runsd-Project does, which comes first.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    project: str | None = None


class NoQuery(Query):
    """No further parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded request. ``body`` and ``query`` are of the types that its route names."""

    services: Services
    request: web.Request
    caller: Caller
    project: str
    body: Any
    query: Any

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.request.match_info["id"]

    @property
    def idempotency_key(self) -> str | None:
        """The client's key for this request. Raises Refused when it is empty or too long."""
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
            said = "Idempotency-Key must have 1 to 255 printable ASCII characters"
            raise Refused(said, errors=[(("Idempotency-Key",), said)])
        return key

    def fingerprint(self, said: Any) -> str:
        """Return what stands for this request when it is repeated."""
        text = json.dumps([self.request.method, self.request.path, said], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    async def is_over(self, run_id: str) -> bool:
        """Say whether nothing more will come of a run: it has ended, or was deleted while it was followed."""
        try:
            return (await self.services.runs.get(self.project, run_id)).status.terminal
        except Unknown:
            return True

    def accepts(self, *types: str) -> str | None:
        """Return the first of these media types that the client names in Accept."""
        wanted = [part.split(";")[0].strip() for part in self.request.headers.get("Accept", "").split(",")]
        return next((type for type in wanted if type in types), None)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer still to be encoded."""

    body: Answer | None = None
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Coroutine[Any, Any, Reply | web.StreamResponse]]


async def decode_body(request: web.Request, model: type[M] | None, most_bytes: int) -> M | None:
    """Read and validate a JSON body. Raises Malformed (400, 413, 415) or Invalid (422)."""
    if model is None:
        return None
    raw = await read_body(request, most_bytes)
    if request.content_type != "application/json" and (raw or request.headers.get("Content-Type")):
        said = f"send application/json, not {request.content_type}"
        raise Malformed(said, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return validated(model, raw or b"{}")


def validated(model: type[M], body: bytes) -> M:
    """Return the JSON body as that model. Raises Invalid."""
    try:
        return model.model_validate_json(body)
    except ValidationError as failure:
        raise Invalid(failure) from failure


def decode_query(request: web.Request, model: type[M]) -> M:
    """Validate the parameters behind the question mark. Raises Invalid."""
    given: dict[str, Any] = {}
    for key in request.query:
        field = next((f for n, f in model.model_fields.items() if key in (n, f.alias)), None)
        repeats = field is not None and "list" in str(field.annotation)
        given[key] = request.query.getall(key) if repeats else request.query.getall(key)[-1]
    try:
        return model.model_validate(given)
    except ValidationError as failure:
        raise Invalid(failure) from failure


def named_project(request: web.Request) -> str | None:
    """Return which project a request says that it is about, if it does."""
    return request.headers.get("Runsd-Project") or request.query.get("project") or None


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """Read a body, whatever it is. Raises Malformed (413)."""
    too_large = Malformed(
        f"the body is larger than {most_bytes // MIB} MiB; send less, or several requests",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )
    if (request.content_length or 0) > most_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_chunked(65_536):
        size += len(part)
        if size > most_bytes:
            raise too_large
        parts.append(part)
    return b"".join(parts)
