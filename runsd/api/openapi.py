"""The OpenAPI 3.1 document, generated from the route table and the wire models."""

import inspect
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from runsd_sdk import signature
from runsd_sdk.host import Problem
from runsd_sdk.webhook import WebhookEvent

from runsd import __version__
from runsd.api.routes import ROUTES, Route

_REF: Final = "#/components/schemas/{model}"
_ERRORS: Final = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read",
    HTTPStatus.UNAUTHORIZED: "Over TCP: no key, or one that opens nothing. At a hook: no signature",
    HTTPStatus.FORBIDDEN: "The caller may do other things, but not this",
    HTTPStatus.NOT_FOUND: "Nothing by that id, in the project that the request is about",
    HTTPStatus.CONFLICT: "The present state forbids it",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another type by its Content-Type",
    HTTPStatus.MISDIRECTED_REQUEST: "Over TCP: the Host header has a name that is not the daemon's",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field is wrong; errors names it and the remedy",
    HTTPStatus.TOO_MANY_REQUESTS: "Over TCP: too many requests without a right key; see Retry-After",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now; repeat later",
}
_PROJECT: Final = {
    "name": "Runsd-Project",
    "in": "header",
    "required": False,
    "description": "Which project the request is about; as the parameter project, before which it comes.",
    "schema": {"type": "string"},
}
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, rk_…, over TCP. On the Unix socket the kernel says who asks.",
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body within 24 h answers the same run.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def document() -> dict[str, Any]:
    """Return the document."""
    models = {model for route in ROUTES for model in (route.answer, route.body) if model}
    models |= {Problem, WebhookEvent}
    refs, definitions = models_json_schema(
        [
            (m, "validation" if _is_body(m) else "serialization")
            for m in sorted(models, key=lambda m: m.__name__)
        ],
        ref_template=_REF,
    )
    named = {model: ref for (model, _), ref in refs.items()}
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "runsd",
            "version": __version__,
            "summary": "Run containers to completion on one host, and be told the exact truth about them",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "HTTP/1.1 on the daemon's Unix socket; over TCP with a key"}],
        "security": [{"key": []}, {}],
        "paths": paths,
        "webhooks": {"event": {"post": _told(named)}},
        "components": {"schemas": definitions["$defs"], "securitySchemes": {"key": _BEARER}},
    }


def _operation(route: Route, named: Mapping[Any, Any]) -> dict[str, Any]:
    noun = route.handler.__module__.rpartition(".")[2]
    operation: dict[str, Any] = {
        "operationId": f"{noun}.{route.handler.__name__}",
        "summary": (inspect.getdoc(route.handler) or "").splitlines()[0],
        "tags": [noun],
        "description": f"Needs {route.access} access{' to the whole host' if route.host else ''}.",
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route),
            _PROJECT,
            *([_KEY] if route.keyed else []),
        ],
        "responses": _responses(route, named),
    }
    if route.body is not None:
        content = {"application/json": {"schema": named[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.takes is not None:
        content = {route.takes: {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _told(named: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a receiver of webhooks is asked to take."""
    content = {"application/json": {"schema": named[WebhookEvent]}}
    signed = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in (signature.ID, signature.TIMESTAMP, signature.SIGNATURE)
    ]
    return {
        "operationId": "webhooks.event",
        "summary": "Take an event of a run, signed as by Standard Webhooks",
        "parameters": signed,
        "requestBody": {"required": True, "content": content},
        "responses": {"2XX": {"description": "Taken; anything else, and it is sent again"}},
    }


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema(by_alias=True, ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "schema": _inlined(below, definitions),
        }
        for name, below in schema.get("properties", {}).items()
    ]


def _responses(route: Route, named: Mapping[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {media.split(";")[0]: {"schema": {"type": "string"}} for media in route.media}
    if route.answer is not None:
        content["application/json"] = {"schema": named[route.answer]}
    repeats = route.keyed or route.takes is not None
    success = {"description": HTTPStatus(route.status).phrase, **({"content": content} if content else {})}
    problem = {"application/problem+json": {"schema": named[Problem]}}
    return {
        str(route.status): success,
        **({"200": {**success, "description": "An earlier request's answer"}} if repeats else {}),
        **{str(int(s)): {"description": text, "content": problem} for s, text in _ERRORS.items()},
    }


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Put definitions where they are referred to: parameters stand alone."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(below, definitions) for key, below in schema.items()}
    return [_inlined(below, definitions) for below in schema] if isinstance(schema, list) else schema


def _is_body(model: type[BaseModel]) -> bool:
    return any(route.body is model for route in ROUTES)
