"""Who makes a request: on the Unix socket a user of this host, told by the kernel."""

import socket

from aiohttp import web

from runsd import peers
from runsd.access import Caller, member
from runsd.errors import Unidentified
from runsd.store.projects import Projects


class Callers:
    """Tells callers apart, from memory alone."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._own_uid = peers.own_uid()

    def caller(self, request: web.Request) -> Caller:
        """Return who makes a request. Raises Unidentified."""
        connection = None if request.transport is None else request.transport.get_extra_info("socket")
        if connection is None or connection.family != socket.AF_UNIX:
            raise Unidentified("cannot tell who you are; use the Unix socket")
        uid = peers.peer_uid(connection)
        return member(uid, own_uid=self._own_uid, projects=self._projects.of_user(uid))
