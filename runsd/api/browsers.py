"""Browsers: their cookies, and what makes a request one that a page of ours has made."""

import hmac
from typing import Final

from aiohttp import web

from runsd.errors import Forbidden
from runsd.store.sessions import LASTS_S, bound, request_token

FORWARDED: Final = "Runsd-Forwarded"
"""Set by `runs open`, which lets a browser in at the socket of the user who typed it: such a request counts
for its cookie alone, for anybody on the host could have made it. It holds a secret of that one command: a
session that began there is open only through it. Cookies know no ports (RFC 6265, 8.5), so whoever has the
command's port after it may be sent the cookie, and can do nothing with it."""
REQUEST_TOKEN: Final = "Runsd-Request-Token"  # noqa: S105  # a name of a header
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def cookie_name(instance: str) -> str:
    """Return what the cookie of this daemon is called: those of one host share all of its ports."""
    return f"runsd_{instance[-8:].lower()}"


def present(request: web.Request, instance: str) -> str | None:
    """Return the session's token that a request brings, if it does, whoever has made it."""
    cookie = request.cookies.get(cookie_name(instance))
    return bound(cookie, request.headers.get(FORWARDED)) if cookie else None


def sent_from(request: web.Request) -> str | None:
    """Return which site has made a browser send this, in the words of Sec-Fetch-Site; None if nobody knows.

    Browsers say so to loopback and to TLS alone; elsewhere they name the origin, with what is no GET.
    """
    said, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if said is not None or origin is None:
        return said
    return "same-origin" if origin.partition("://")[2] == request.headers.get("Host") else "cross-site"


def token_of(request: web.Request, instance: str) -> str | None:
    """Return the session's token that a request brings, if it does.

    Raises Forbidden for a change that no page of ours has asked for (CSRF): another site's page can neither
    read the token that ours hold, nor send a header of its own here.
    """
    token = present(request, instance)
    if token is None:
        return None
    if request.method not in _SAFE:
        given = request.headers.get(REQUEST_TOKEN, "")
        right = hmac.compare_digest(given.encode("utf-8", "surrogatepass"), request_token(token).encode())
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
        max_age=None if FORWARDED in request.headers else LASTS_S,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )


def drop_cookie(response: web.StreamResponse, instance: str) -> None:
    """Let the browser forget it."""
    response.del_cookie(cookie_name(instance), path="/", httponly=True, samesite="Strict")
