"""Who makes a request: on the Unix socket a user of this host, told by the kernel; over TCP who has a key."""

import socket
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Final

import structlog
from aiohttp import web

from runsd import peers
from runsd.access import Access, Caller, Person, key_name, member
from runsd.api import browsers, hosts
from runsd.api.failures import Failures
from runsd.clock import Clock, instant
from runsd.errors import TooOften, Unidentified
from runsd.store.keys import Held, Keys
from runsd.store.projects import Projects
from runsd.store.sessions import Sessions, name_of

log = structlog.get_logger()

_SCHEME: Final = "bearer"
_ASK: Final = "send one as Authorization: Bearer rk_…, or make one with `runs key create`"


class Callers:
    """Tells callers apart, from memory alone. ``names`` are those that it answers to over TCP."""

    def __init__(
        self,
        projects: Projects,
        keys: Keys,
        sessions: Sessions,
        *,
        instance: str,
        names: Collection[str],
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._keys = keys
        self._sessions = sessions
        self._instance = instance
        self._names = frozenset(name.lower().removesuffix(".") for name in names)
        self._clock = clock
        self._own_uid = peers.own_uid()
        self._failures = Failures()

    def check_host(self, request: web.Request) -> None:
        """Raise Misdirected for what came over TCP and is addressed to another name."""
        if _connection(request).family != socket.AF_UNIX:
            hosts.check(request.headers.get("Host"), self._names)

    def caller(self, request: web.Request) -> Caller:
        """Return who makes a request. Raises Unidentified and TooOften."""
        connection = _connection(request)
        forwarded = browsers.FORWARDED in request.headers
        if connection.family == socket.AF_UNIX and not forwarded:
            return self._user(peers.peer_uid(connection))
        authorization = request.headers.get("Authorization")
        if authorization is None or forwarded:
            token = browsers.token_of(request, self._instance)
            if token is not None:
                return self._of_session(token)
            if forwarded:
                raise Unidentified("cannot tell who you are: log in with the link that `runs open` prints")
        return self.bearer(request, authorization or "")

    def visitor(self, request: web.Request) -> Caller:
        """Return who looks at a page: whoever has not logged in is sent there, and is no failure to count."""
        by_key = "Authorization" in request.headers or browsers.cookie_name(self._instance) in request.cookies
        if not by_key and _connection(request).family != socket.AF_UNIX:
            raise Unidentified("cannot show this page to somebody who has not logged in")
        return self.caller(request)

    def bearer(self, request: web.Request, authorization: str) -> Caller:
        """Return who has the key of an Authorization header. Raises Unidentified and TooOften."""
        try:
            key = self._key(authorization)
        except Unidentified as failure:
            self._count(request, failure)
            raise
        self._keys.note_use(key)
        return self._of_key(key)

    def person(self, person: Person) -> Caller:
        """Return what somebody who has logged in may do now. Raises Unidentified."""
        if person.uid is not None:
            return self._user(person.uid)
        key = self._keys.held(person.key or "")
        if key is None or key.project not in self._projects or key.expired(self._clock()):
            raise Unidentified("cannot go on with your session: the key that it began with has ended; log in")
        return self._of_key(key)

    def _of_session(self, token: str) -> Caller:
        session = self._sessions.match(token)
        if session is None:
            raise Unidentified("cannot go on with your session: it is over; log in again")
        caller = self.person(session.person)
        left_s = (session.ends_us - self._clock()) / 1e6
        lasts_s = min(left_s, left_s if caller.lasts_s is None else caller.lasts_s)
        return replace(caller, lasts_s=lasts_s, session=name_of(token))

    def _user(self, uid: int) -> Caller:
        return member(uid, own_uid=self._own_uid, projects=self._projects.of_user(uid))

    def _of_key(self, key: Held) -> Caller:
        left_s = None if key.expires_us is None else (key.expires_us - self._clock()) / 1e6
        return Caller(
            key_name(key.id),
            Access(key.access),
            frozenset((key.project,)),
            key.project,
            lasts_s=left_s,
            called=key.name,
            person=Person(key=key.id),
        )

    def _key(self, authorization: str) -> Held:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != _SCHEME:
            raise Unidentified(f"cannot tell who you are without a key; {_ASK}")
        key = self._keys.match(token.strip())
        if key is None or key.project not in self._projects:
            raise Unidentified(f"cannot tell who you are: that is no key, or no longer; {_ASK}")
        if key.expired(self._clock()):
            said = f"{instant(key.expires_us or 0):%Y-%m-%d %H:%M:%S} UTC"
            raise Unidentified(f"cannot take key {key.id}: it has expired at {said}; {_ASK}")
        return key

    def _count(self, request: web.Request, failure: Unidentified) -> None:
        """Count a failure of an address; those that have too many are told so, and the log no more of them.

        A right key is heard all the same: nobody is kept out by what others do at the same address.
        """
        wait_s = self._failures.add(request.remote or "", time.monotonic())
        if wait_s:
            said = "cannot tell who you are: there were too many failures from your address; wait"
            raise TooOften(said, after_s=wait_s) from failure
        log.warning("api.unidentified", remote=request.remote, why=str(failure))


def _connection(request: web.Request) -> socket.socket:
    transport = request.transport
    found: socket.socket | None = None if transport is None else transport.get_extra_info("socket")
    if found is None:
        raise ConnectionError("the client has left")
    return found
