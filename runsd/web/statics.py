"""What a browser loads once: style, scripts and the files of others that the build has fetched."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

FOLDER: Final = Path(__file__).parent / "static"
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@cache
def prefix() -> str:
    """Return the path of the static files, which changes with any of them: they are kept for ever."""
    seen = hashlib.sha256()
    for file in sorted(file for file in FOLDER.rglob("*") if file.is_file()):
        seen.update(file.relative_to(FOLDER).as_posix().encode())
        seen.update(file.read_bytes())
    return f"/static/{seen.hexdigest()[:12]}"


def add(app: web.Application) -> set[object]:
    """Serve the files; return the handlers, which are for everybody."""
    resource = app.router.add_static(prefix(), FOLDER)
    app.on_response_prepare.append(_keep)
    return {route.handler for route in resource}


async def _keep(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith("/static/") and response.status == web.HTTPOk.status_code:
        response.headers["Cache-Control"] = _FOR_EVER
