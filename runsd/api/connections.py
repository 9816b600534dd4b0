"""Requests that are being answered, by who made them: to whom a project is shut, its streams are ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Connections:
    """Transports by caller and project."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], set[asyncio.WriteTransport]] = {}

    @contextmanager
    def open(
        self, caller: str, project: str, transport: asyncio.WriteTransport | None, *, lasts_s: float | None
    ) -> Iterator[None]:
        """Count a request while it is answered; after ``lasts_s``, if given, its connection is cut."""
        if transport is None:
            yield
            return
        whose = self._open.setdefault((caller, project), set())
        whose.add(transport)
        timer = None if lasts_s is None else asyncio.get_running_loop().call_later(lasts_s, transport.abort)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            whose.discard(transport)
            if not whose:
                self._open.pop((caller, project), None)

    def cut(
        self, project: str, caller: str | None = None, *, spare: asyncio.WriteTransport | None = None
    ) -> None:
        """Cut off a caller, or all, in the middle of what they are told of a project, but who asks for it.

        Changes go on to their end (``app.Changes``); whoever may still come, comes again.
        """
        for (who, what), transports in list(self._open.items()):
            if what == project and caller in (None, who):
                for transport in transports - {spare}:
                    transport.abort()
