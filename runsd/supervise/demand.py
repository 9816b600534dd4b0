"""Demand: how many sandboxes should wait for runs, by how many were asked for lately. Pure."""

from collections import deque

_RECENT_S = 10.0
_REMEMBERED_S = 600.0


class Demand:
    """The asks for one kind of sandbox. Instants are seconds of any clock that only goes forward.

    As many as were asked for in the last ten seconds will be ready, one at least; after ten minutes without
    an ask there is none, and the pool costs nothing.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._last: float | None = None

    def note(self, now_s: float) -> None:
        """Count one ask."""
        self._last = now_s
        self._recent.append(now_s)
        self._forget(now_s)

    def wanted(self, now_s: float, *, most: int) -> int:
        """Return how many should be ready, at most ``most``."""
        self._forget(now_s)
        if self._last is None or now_s - self._last > _REMEMBERED_S:
            return 0
        return min(most, max(1, len(self._recent)))

    def _forget(self, now_s: float) -> None:
        while self._recent and now_s - self._recent[0] > _RECENT_S:
            self._recent.popleft()
