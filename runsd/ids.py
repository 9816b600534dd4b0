"""Public identifiers: a prefix and a lower-case ULID that never sorts before an older one."""

from ulid import ULID

from runsd.clock import Clock


class Ids:
    """Makes identifiers that sort by creation, also within a millisecond and when the clock steps back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def new(self, prefix: str) -> str:
        """Return a new id such as ``run_01kaj…``."""
        fresh = int(ULID.from_timestamp(self._clock() // 1000))
        # Within a millisecond, or before the last one, the successor of the last keeps the order.
        self._last = fresh if fresh >> 80 > self._last >> 80 else self._last + 1
        return f"{prefix}_{str(ULID.from_int(self._last)).lower()}"
