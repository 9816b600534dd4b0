"""Public identifiers: a prefix and a lower-case ULID that never sorts before an older one."""

from ulid import ULID

from runsd.clock import Clock

_LAST_MS = 2**48 - 1


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


def earliest(prefix: str, created_us: int) -> str:
    """Return what no id sorts before that was made at that instant or later."""
    ms = min(max(0, created_us // 1000), _LAST_MS)
    return f"{prefix}_{str(ULID.from_int(ms << 80)).lower()}"


def made_us(id: str) -> int:
    """Return when an id was made, in microseconds since the epoch, exact to the millisecond."""
    return int(ULID.from_str(id.rpartition("_")[2].upper()).milliseconds) * 1000
