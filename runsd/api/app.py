"""The HTTP application: every request is decoded by its route, handled, encoded; errors are mapped once."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Container, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from runsd_sdk.wire import Answer

from runsd import acts
from runsd.access import ANYBODY, Access, Caller, project_of, require
from runsd.acts import Act
from runsd.api import openapi
from runsd.api.call import Call, Reply, decode_body, decode_query, named_project
from runsd.api.callers import Callers
from runsd.api.problems import Invalid, problem_of, problem_response
from runsd.api.routes import ROUTES, Route
from runsd.api.services import Services
from runsd.errors import Forbidden, NotNow, RunsdError, TooOften, Unidentified
from runsd.store.audit import Audit

log = structlog.get_logger()

_SETTLE_S = 10.0
_CLIENT_LEFT = 499  # as nginx names it
_MOST_BODY = 10 * 1024**2
_CALLER = web.RequestKey("caller", Caller)
CALLERS = web.AppKey("callers", Callers)
FREE = web.AppKey("free", set[Any])
"""Handlers that ask nobody who it is, or do so themselves."""
T = TypeVar("T")
_Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(services: Services) -> web.Application:
    """Return the application over these services."""
    names, changes = services.settings.tcp.hosts, Changes()
    callers = Callers(
        services.projects,
        services.keys,
        services.sessions,
        instance=services.instance,
        names=names,
        clock=services.clock,
    )
    served = [(route, _serve(route, services, changes)) for route in ROUTES]
    free = {serve for route, serve in served if route.access is Access.NONE}
    app = web.Application(middlewares=[_map_errors, _identified(callers, free)], client_max_size=_MOST_BODY)
    app[CALLERS], app[FREE] = callers, free
    app.on_shutdown.append(changes.settle)
    app.on_response_prepare.append(_as_it_says)
    for route, serve in served:
        app.router.add_route(route.method, route.path, serve)
    app.router.add_get("/v1/openapi.json", _describe)
    return app


async def _describe(_: web.Request) -> web.Response:
    return web.Response(body=await asyncio.to_thread(_document), content_type="application/json")


@cache
def _document() -> bytes:
    """Make the document when somebody asks for it: that takes a tenth of a second, and hardly anyone does."""
    return json.dumps(openapi.document()).encode()


class Changes:
    """Requests that change something: they go on to their end when the client leaves in the middle."""

    def __init__(self) -> None:
        self._going_on: set[asyncio.Task[Any]] = set()

    async def whole(self, change: Coroutine[Any, Any, T]) -> T:
        """Return what a change returns; cancelling the caller does not cut it in two."""
        task = asyncio.create_task(change, name="change")
        self._going_on.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._going_on.discard(task)
        if not task.cancelled():
            task.exception()  # asked for, since nobody may be left to whom it could be told

    async def settle(self, _: web.Application) -> None:
        """Wait for the changes whose clients have left, within a bound: what is on record can be repeated."""
        if self._going_on:
            await asyncio.wait(self._going_on, timeout=_SETTLE_S)


def _serve(route: Route, services: Services, changes: Changes) -> _Serve:
    async def serve(request: web.Request) -> web.StreamResponse:
        caller = request[_CALLER]
        project = caller.home
        if route.access is not Access.NONE:
            project = project_of(caller, named_project(request), services.projects)
        act = _act(route, request, caller, project)
        try:
            require(caller, route.access, host=route.host)
        except Forbidden:
            if act is not None:
                services.refusals.add(act)
            raise
        with services.connections.open(caller, project, request.transport):
            call = Call(
                services,
                request,
                caller,
                project,
                await decode_body(request, route.body, route.most_bytes),
                decode_query(request, route.query),
            )
            handled = route.handler(call)
            reply = await (handled if act is None else changes.whole(_noted(act, handled, services.audit)))
        return _encode(reply) if isinstance(reply, Reply) else reply

    return serve


def _act(route: Route, request: web.Request, caller: Caller, project: str) -> Act | None:
    if route.action is None:
        return None
    address = request.remote or "unix"
    named = request.match_info
    object = named.get("id") or named.get("name")  # of all that a path may hold: a token is a secret
    return Act(caller.name, address, route.action, project, object, name=caller.called)


async def _noted(act: Act, change: Coroutine[Any, Any, T], audit: Audit) -> T:
    """Carry out a change; if it ends with an error when something is changed already, its entry says so."""
    try:
        with acts.doing(act):
            return await change
    except RunsdError:
        if act.entry is not None:
            with suppress(NotNow):
                await audit.fail(act)
        raise


def _encode(reply: Reply) -> web.Response:
    return web.Response(
        body=_json(reply.body),
        status=reply.status,
        content_type="application/json" if reply.body is not None else None,
        headers=dict(reply.headers),
    )


def _json(answer: Answer | None) -> bytes | None:
    return None if answer is None else answer.model_dump_json(by_alias=True).encode()


async def _as_it_says(_: web.Request, response: web.StreamResponse) -> None:
    """Let no browser take an answer for anything but what it says it is, such as a log for a page."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


def _identified(callers: Callers, free: Container[object]) -> Middleware:
    """Ask who it is before anything is said, also of what does not exist; not where the route is free."""

    @web.middleware
    async def identified(request: web.Request, handler: _Serve) -> web.StreamResponse:
        callers.check_host(request)
        is_free = request.match_info.handler in free
        request[_CALLER] = ANYBODY if is_free else callers.caller(request)
        return await handler(request)

    return identified


def _route(request: web.Request) -> str:
    """Return the path as the route table has it: what stands in for a part of it may be a secret."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


@web.middleware
async def _map_errors(request: web.Request, handler: _Serve) -> web.StreamResponse:
    try:
        return await handler(request)
    except (RunsdError, Invalid) as failure:
        return problem_response(problem_of(failure), _headers_of(failure))
    except web.HTTPException as failure:
        headers = {name: failure.headers[name] for name in ("Allow",) if name in failure.headers}
        return problem_response(problem_of(failure), headers)
    except ConnectionError:
        return web.Response(status=_CLIENT_LEFT)  # nobody reads it; an exception would be logged as ours
    except Exception as failure:
        log.exception("api.failed", method=request.method, path=_route(request))
        return problem_response(problem_of(failure))


def _headers_of(failure: Exception) -> dict[str, str]:
    match failure:
        case TooOften():
            return {"Retry-After": str(math.ceil(failure.after_s))}
        case Unidentified():
            return {"WWW-Authenticate": "Bearer"}
    return {}
