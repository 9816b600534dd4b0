"""Requests that are being answered, by who made them: to whom something is shut, its streams are ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from runsd.access import Caller


class Connections:
    """Transports by caller, project, and a browser's session."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str | None], set[asyncio.WriteTransport]] = {}

    @contextmanager
    def open(self, caller: Caller, project: str, transport: asyncio.WriteTransport | None) -> Iterator[None]:
        """Count a request while it is answered; when the caller's time is over, its connection is cut."""
        if transport is None:
            yield
            return
        named, lasts_s = (caller.name, project, caller.session), caller.lasts_s
        whose = self._open.setdefault(named, set())
        whose.add(transport)
        timer = None if lasts_s is None else asyncio.get_running_loop().call_later(lasts_s, transport.abort)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            whose.discard(transport)
            if not whose:
                self._open.pop(named, None)

    def cut(
        self, project: str, caller: str | None = None, *, spare: asyncio.WriteTransport | None = None
    ) -> None:
        """Cut off a caller, or all, in the middle of what they are told of a project, but who asks for it.

        Changes go on to their end (``app.Changes``); whoever may still come, comes again.
        """
        for (who, what, _), transports in list(self._open.items()):
            if what == project and caller in (None, who):
                for transport in transports - {spare}:
                    transport.abort()

    def end(self, session: str) -> None:
        """Cut off a browser's session in the middle of what it is told of any project."""
        for (_, _, of), transports in list(self._open.items()):
            if of == session:
                for transport in list(transports):
                    transport.abort()
