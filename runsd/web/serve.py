"""Pages over HTTP: who asks is told apart, may see it or not, and gets a page also where something fails."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from aiohttp import web

from runsd.access import Caller, project_of, require
from runsd.api import browsers
from runsd.api.app import CALLERS
from runsd.api.call import Call, decode_query
from runsd.api.problems import Invalid, problem_of
from runsd.api.services import Services
from runsd.errors import RunsdError, Unidentified
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


def serving(page: Page, services: Services) -> Serve:
    """Return the handler of a page."""

    async def serve(request: web.Request) -> web.StreamResponse:
        caller: Caller | None = None
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
            return _failed(request, services, caller, failure)
        except ConnectionError:
            raise
        except Exception as failure:
            log.exception("web.failed", page=page.path)
            return _failed(request, services, caller, failure)

    return serve


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
    login = f"/login?next={quote(request.path_qs, safe='', errors='replace')}"
    if "HX-Request" in request.headers:  # a part of a page: the whole page has to go there
        return web.Response(status=401, headers={**HEADERS, "HX-Redirect": "/login"})
    return web.Response(status=303, headers={**HEADERS, "Location": login})


def _failed(
    request: web.Request, services: Services, caller: Caller | None, failure: Exception
) -> web.Response:
    problem = problem_of(failure)
    values: dict[str, Any] = {"problem": problem}
    if caller is None:
        return anonymous(request, Shown("failed.html", {**values, "base": None}, HTTPStatus(problem.status)))
    values |= _common(request, services, caller, caller.home)
    return _html("failed.html", values, problem.status)
