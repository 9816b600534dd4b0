"""What is known of the connection, and how long to insist when it breaks."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from runsd_sdk.errors import DaemonUnreachable, RunsdError, ServerError

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0
_PASSING = frozenset({502, 503, 504})  # a daemon that leaves, or a proxy without one behind it


@dataclass(slots=True, kw_only=True)
class Link:
    """A client's connection. ``reached`` becomes true with the first answer of any kind.

    A daemon that was never reached is reported at once; one that answered before may be restarting,
    and is tried again for ``patience_s`` seconds.
    """

    patience_s: float = 60.0
    reached: bool = False
    clock: Callable[[], float] = time.monotonic


class Patience:
    """Decide, failure by failure, whether to try again and after what pause; not after ``until``."""

    def __init__(self, link: Link, *, until: float = math.inf) -> None:
        self._link = link
        self._until = until
        self._pause = FIRST_PAUSE_S
        self._since: float | None = None
        self._opened: float | None = None

    def renew(self) -> None:
        """Forget past failures: something arrived."""
        self._pause = FIRST_PAUSE_S
        self._since = None

    def opened(self) -> None:
        """Note that a request is made; if its connection holds until it breaks, that too is an arrival.

        A quiet stream has no frames, and a long poll is answered when there is something to tell.
        """
        self._opened = self._link.clock()

    def pause_after(self, error: RunsdError, *, reading: bool, repeatable: bool) -> float:
        """Return the seconds to pause before the next try; raise ``error`` when there is to be none."""
        now = self._link.clock()
        held = self._opened is not None and now - self._opened > LONGEST_PAUSE_S
        if held and isinstance(error, DaemonUnreachable) and error.sent and not error.silent:
            self.renew()
        self._opened = None
        if self._since is None:
            self._since = now
        if not self._passing(error, reading=reading, repeatable=repeatable):
            raise error
        if now + self._pause - self._since > self._link.patience_s or now >= self._until:
            raise error
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE_S)
        return min(pause, self._until - now)  # the last try is when the time is up

    def _passing(self, error: RunsdError, *, reading: bool, repeatable: bool) -> bool:
        if isinstance(error, DaemonUnreachable):
            return repeatable if error.sent else self._link.reached
        return reading and passing(error)


def passing(error: RunsdError) -> bool:
    """Tell whether a failure says nothing but that the daemon is not there now."""
    if isinstance(error, ServerError):
        return error.status in _PASSING
    return isinstance(error, DaemonUnreachable)
