"""Links to log in with over HTTP: whoever may call the API opens its pages in a browser."""

from datetime import timedelta
from http import HTTPStatus

from runsd_sdk.key import Login

from runsd.api.call import Call, Reply
from runsd.clock import instant
from runsd.errors import Forbidden
from runsd.store.sessions import LINK_LASTS_S


async def create(call: Call) -> Reply:
    """Make a code with which ``/login?code=…`` opens a session as the caller, once.

    Not for a session: it could go on for ever by opening others, with whoever has come by its cookie.
    """
    services = call.services
    if call.caller.session is not None:
        raise Forbidden("cannot make a link in a browser's session; use `runs open`, or a key")
    code = services.sessions.link(call.caller.person)
    ends = instant(services.clock()) + timedelta(seconds=LINK_LASTS_S)
    login = Login(
        path=f"/login?code={code}",
        expires_at=ends,
        address=services.tcp_address if services.keys.usable() else None,
        encrypted=services.settings.tcp.certificate is not None,
    )
    return Reply(login, HTTPStatus.CREATED, {"Cache-Control": "no-store"})
