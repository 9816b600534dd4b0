"""Browsers: their cookies, and what makes a request one that a page of ours has made."""

import hmac
from typing import Final

from aiohttp import web

from runsd.errors import Forbidden
from runsd.store.sessions import LASTS_S, request_token

FORWARDED: Final = "Runsd-Forwarded"
"""Set by `runs open`, which lets a browser in at the socket of the user who typed it: such a request counts
for its cookie alone, for anybody on the host could have made it."""
REQUEST_TOKEN: Final = "Runsd-Request-Token"  # noqa: S105  # a name of a header
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def cookie_name(instance: str) -> str:
    """Return what the cookie of this daemon is called: those of one host share all of its ports."""
    return f"runsd_{instance[-8:].lower()}"


def token_of(request: web.Request, instance: str) -> str | None:
    """Return the session's token that a request brings, if it does.

    Raises Forbidden for a change that no page of ours has asked for (CSRF): another site's page can neither
    read the token that ours hold, nor send a header of its own here.
    """
    token = request.cookies.get(cookie_name(instance))
    if not token:
        return None
    if request.method not in _SAFE:
        given = request.headers.get(REQUEST_TOKEN, "")
        right = hmac.compare_digest(given.encode(), request_token(token).encode())
        if not right or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise Forbidden(
                f"cannot take this change from a browser: it needs the header {REQUEST_TOKEN}, which the "
                "pages of runsd send; reload the page"
            )
    return token


def set_cookie(response: web.StreamResponse, request: web.Request, instance: str, token: str) -> None:
    """Let the browser keep a session."""
    response.set_cookie(
        cookie_name(instance),
        token,
        max_age=LASTS_S,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )


def drop_cookie(response: web.StreamResponse, instance: str) -> None:
    """Let the browser forget it."""
    response.del_cookie(cookie_name(instance), path="/", httponly=True, samesite="Strict")
