"""Log in with a key or a link, log out: how a browser comes to a session."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl, quote

from aiohttp import web
from pydantic import Field

from runsd import acts
from runsd.access import Caller
from runsd.acts import Act
from runsd.api import browsers
from runsd.api.app import CALLERS
from runsd.api.call import Query, decode_query, read_body
from runsd.api.services import Services
from runsd.errors import RunsdError, TooOften, Unidentified
from runsd.store.sessions import name_of
from runsd.web.page import Shown
from runsd.web.serve import HEADERS, anonymous

_MOST_BYTES = 4096
_HOME = "/"
_SENT_HERE = "Another page has sent you here. To log in, type the address, or paste the link, yourself."
_USED = "This link has been used, or is too old. Make a new one with `runs open`."


class LoginQuery(Query):
    """Where to go afterwards, and the code of a link."""

    next: Annotated[str, Field(max_length=4096)] = _HOME
    code: Annotated[str, Field(max_length=256)] | None = None


class Logins:
    """The pages of which a browser needs no session."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def form(self, request: web.Request) -> web.StreamResponse:
        """Ask for a key; follow the link that has been asked for with a code.

        Where the browser does not say whether another page has sent it here, its user has to press a button.
        """
        query = decode_query(request, LoginQuery)
        if query.code is None:
            return self._asked(request, query.next)
        if _sent_here(request):
            return self._asked(request, query.next, _SENT_HERE, HTTPStatus.FORBIDDEN)
        if browsers.sent_from(request) is None:
            values = {"onward": _ours(query.next), "code": query.code, "hostname": self._services.hostname}
            return anonymous(request, Shown("link.html", values))
        return await self._follow(request, query.code, query.next)

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Begin a session for who has a key, or a link."""
        form = await _form(request)
        onward = form.get("next", _HOME)
        if _sent_here(request):
            return self._asked(request, onward, _SENT_HERE, HTTPStatus.FORBIDDEN)
        if "code" in form:
            return await self._follow(request, form["code"], onward)
        try:
            caller = request.app[CALLERS].bearer(request, f"Bearer {form.get('key', '').strip()}")
            return await self._begin(request, caller, onward)
        except Unidentified:
            said = "That is no key of this daemon, or it has expired."
            return self._asked(request, onward, said, HTTPStatus.UNAUTHORIZED)
        except TooOften as failure:
            return self._asked(request, onward, str(failure), HTTPStatus.TOO_MANY_REQUESTS)
        except RunsdError as failure:
            return self._asked(request, onward, str(failure), HTTPStatus.SERVICE_UNAVAILABLE)

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """End the session. Raises Forbidden for what no page of ours has asked for."""
        token = browsers.token_of(request, self._services.instance)
        if token is not None:
            await self._services.sessions.delete(token)
            self._services.connections.end(name_of(token))
        response = web.Response(headers={**HEADERS, "HX-Redirect": "/login"})
        browsers.drop_cookie(response, self._services.instance)
        return response

    async def _follow(self, request: web.Request, code: str, onward: str) -> web.Response:
        person = self._services.sessions.follow(code)
        if person is None:
            return self._asked(request, onward, _USED, HTTPStatus.UNAUTHORIZED)
        try:
            return await self._begin(request, request.app[CALLERS].person(person), onward)
        except RunsdError as failure:
            return self._asked(request, onward, str(failure), HTTPStatus.UNAUTHORIZED)

    async def _begin(self, request: web.Request, caller: Caller, onward: str) -> web.Response:
        services = self._services
        until_us = None if caller.lasts_s is None else services.clock() + int(caller.lasts_s * 1e6)
        address = request.remote or "unix"
        act = Act(caller.name, address, "session.create", caller.home, name=caller.called)
        within = request.headers.get(browsers.FORWARDED)
        with acts.doing(act):
            token = await services.sessions.create(caller.person, until_us=until_us, within=within)
        # Not a redirect: a cookie with SameSite=Strict is not sent on one that another site has begun.
        response = anonymous(request, Shown("welcome.html", {"onward": _ours(onward)}))
        browsers.set_cookie(response, request, services.instance, token)
        return response

    def _asked(
        self, request: web.Request, onward: str, said: str | None = None, status: HTTPStatus = HTTPStatus.OK
    ) -> web.Response:
        values = {"onward": _ours(onward), "said": said, "hostname": self._services.hostname}
        return anonymous(request, Shown("login.html", values, status))


def _sent_here(request: web.Request) -> bool:
    """Say whether a page of another site has sent the browser here.

    It could log somebody in as its own author, who would then see all that is typed there.
    """
    return browsers.sent_from(request) not in ("none", "same-origin", None)


async def _form(request: web.Request) -> dict[str, str]:
    """Read a small form. Raises Malformed."""
    body = await read_body(request, _MOST_BYTES)
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _ours(onward: str) -> str:
    """Return a path of this daemon: a link to log in must not lead to another site."""
    if not onward.startswith("/") or onward.startswith(("//", "/\\")):
        return _HOME
    return quote(onward, safe="/?&=%:,@+~-._")
