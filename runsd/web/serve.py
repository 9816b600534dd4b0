"""Pages over HTTP: who asks is told apart, may see it or not, and gets a page also where something fails."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import ConfigDict

from runsd.access import Caller, project_of, require
from runsd.api import browsers
from runsd.api.app import CALLERS
from runsd.api.call import Call, Query, decode_query
from runsd.api.problems import Invalid, problem_of
from runsd.api.services import Services
from runsd.errors import RunsdError, Unidentified, Unknown
from runsd.store.sessions import request_token
from runsd.web import statics
from runsd.web.page import Page, Shown
from runsd.web.render import render

log = structlog.get_logger()
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS: Final = {
    # No script but ours, no style but ours, nothing from anywhere else, and in no other page's frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_HEADINGS: Final[dict[int, str]] = {
    HTTPStatus.FORBIDDEN: "Not for you",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.UNPROCESSABLE_ENTITY: "This address says something wrong",
    HTTPStatus.TOO_MANY_REQUESTS: "Too often",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
    HTTPStatus.INTERNAL_SERVER_ERROR: "runsd has failed",
}
"""What an error is called on a page, where HTTP's own name for it says nothing to who reads it."""


def serving(page: Page, services: Services) -> Serve:
    """Return the handler of a page."""

    async def serve(request: web.Request) -> web.StreamResponse:
        caller: Caller | None = None
        project: str | None = None
        try:
            caller = request.app[CALLERS].visitor(request)
            project = project_of(caller, request.match_info.get("project"), services.projects)
            require(caller, page.access, host=page.host)
            with services.connections.open(caller, project, request.transport):
                query = decode_query(request, page.query)
                call = Call(services, request, caller, project, None, query)
                shown = await page.view(call)
                return shown if isinstance(shown, web.StreamResponse) else answer(call, shown)
        except Unidentified:
            return _to_login(request)
        except (RunsdError, Invalid, web.HTTPException) as failure:
            return _failed(request, services, caller, project, failure)
        except ConnectionError:
            raise
        except Exception as failure:
            log.exception("web.failed", page=page.path)
            return _failed(request, services, caller, project, failure)

    return serve


def astray(services: Services) -> Middleware:
    """Return what shows a page, with the way back, to browsers that ask for what is nowhere."""
    serve = serving(Page("", _nowhere, query=_AnyQuery), services)

    @web.middleware
    async def show(request: web.Request, handler: Serve) -> web.StreamResponse:
        for_eyes = "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/v1/")
        if request.match_info.http_exception is None or not for_eyes:
            return await handler(request)
        request.app[CALLERS].check_host(request)
        return await serve(request)

    return show


class _AnyQuery(Query):
    """Whatever stands behind an address that is nowhere."""

    model_config = ConfigDict(extra="ignore")


async def _nowhere(call: Call) -> Shown:
    raise Unknown(f"cannot show {call.request.path[:200]!r}: there is no such page")


def answer(call: Call, shown: Shown) -> web.Response:
    """Render what a page shows, with what all pages show."""
    common = _common(call.request, call.services, call.caller, call.project)
    return _html(shown.template, {**common, **shown.values}, shown.status)


def anonymous(request: web.Request, shown: Shown) -> web.Response:
    """Render a page for somebody who has not logged in."""
    return _html(shown.template, {"static": statics.prefix(), **shown.values}, shown.status)


def _html(template: str, values: dict[str, Any], status: int) -> web.Response:
    text = render(template, values)
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def _common(request: web.Request, services: Services, caller: Caller, project: str) -> dict[str, Any]:
    token = browsers.present(request, services.instance)
    return {
        "static": statics.prefix(),
        "base": f"/p/{quote(project)}",
        "path": request.path,
        "caller": caller,
        "project": project,
        "projects": [each.name for each in services.projects.all() if caller.reaches(each.name)],
        "may": {access: caller.access.includes(access) for access in type(caller.access)},
        "request_token": request_token(token) if token else "",
        "hostname": services.hostname,
        "api": address(request),
    }


def address(request: web.Request) -> str:
    """Return the address at which a page has reached the daemon, for those who will do so by other means."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return f"unix://{name}" if isinstance(name, str) and name else f"{request.scheme}://{request.host}"


def _to_login(request: web.Request) -> web.Response:
    """Send a browser to where it can log in, and back from there."""
    if "HX-Request" not in request.headers:
        return web.Response(status=303, headers={**HEADERS, "Location": _login(request.path_qs)})
    # A part of a page: the whole page has to go there.
    to = _login(_place(request.headers.get("HX-Current-URL", "")))
    return web.Response(status=401, headers={**HEADERS, "HX-Redirect": to})


def _login(onward: str) -> str:
    return f"/login?next={quote(onward, safe='', errors='replace')}" if onward else "/login"


def _place(shown: str) -> str:
    """Return the path of the page that a browser shows, "" if it is none of ours."""
    try:
        parts = urlsplit(shown)
    except ValueError:
        return ""
    if not parts.path.startswith("/p/"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _failed(
    request: web.Request,
    services: Services,
    caller: Caller | None,
    project: str | None,
    failure: Exception,
) -> web.Response:
    problem = problem_of(failure)
    values: dict[str, Any] = {"problem": problem, "heading": _HEADINGS.get(problem.status, problem.title)}
    if caller is None:
        return anonymous(request, Shown("failed.html", {**values, "base": None}, HTTPStatus(problem.status)))
    values |= _common(request, services, caller, project or caller.home)
    return _html("failed.html", values, problem.status)
