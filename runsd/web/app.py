"""The web UI's part of the application: pages, static files, and the way in and out."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from runsd.api.app import CALLERS, FREE
from runsd.api.services import Services
from runsd.errors import Unidentified
from runsd.web import statics
from runsd.web.login import Logins
from runsd.web.routes import PAGES
from runsd.web.serve import HEADERS, astray, serving

_PREFIX: Final = "/p/{project}"


def add_pages(app: web.Application, services: Services) -> None:
    """Let an application that serves the API serve pages too."""
    logins = Logins(services)
    served = [(page.method, f"{_PREFIX}{page.path}", serving(page, services)) for page in PAGES]
    served += [
        ("GET", path, serve) for path, serve in (("/", _home), (_PREFIX, _home), ("/login", logins.form))
    ]
    for method, path, serve in served:
        if method == "GET":
            app.router.add_get(path, serve)
        else:
            app.router.add_route(method, path, serve)
    app.router.add_post("/login", logins.log_in)
    app.router.add_post("/logout", logins.log_out)
    app.middlewares.insert(1, astray(services))  # within what maps errors, before the API asks who it is
    app[FREE] |= {serve for _, _, serve in served} | {logins.log_in, logins.log_out} | statics.add(app)


async def _home(request: web.Request) -> web.Response:
    """Lead to the runs of the project that is asked for, or else of the caller's own."""
    try:
        project = request.match_info.get("project") or request.app[CALLERS].visitor(request).home
    except Unidentified:
        return web.Response(status=303, headers={**HEADERS, "Location": "/login"})
    return web.Response(status=303, headers={**HEADERS, "Location": f"/p/{quote(project)}/runs"})
