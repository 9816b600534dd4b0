"""When a message that was not taken is sent again: soon at first, and over a day in all."""

from typing import Final

_MINUTE_S, _HOUR_S = 60, 3600
PAUSES_S: Final = (
    5, 30, 2 * _MINUTE_S, 10 * _MINUTE_S, 30 * _MINUTE_S,
    _HOUR_S, 2 * _HOUR_S, 4 * _HOUR_S, 8 * _HOUR_S, 8.5 * _HOUR_S,
)  # fmt: skip
"""The pauses after each attempt. They add up to a little more than a day, jitter left aside."""

PATIENCE_S: Final = 24 * _HOUR_S
"""A webhook that takes nothing for so long is disabled."""

_SPREAD = 0.1


def pause_s(tries: int, *, jitter: float, wanted_s: float = 0) -> float | None:
    """Return how long to wait after so many attempts, None after the last.

    ``jitter`` is from 0 to 1, so that what failed together does not come back together. A receiver may have
    ``wanted_s`` more patience, up to an hour.
    """
    if tries > len(PAUSES_S):
        return None
    return max(PAUSES_S[tries - 1] * (1 + _SPREAD * jitter), min(wanted_s, _HOUR_S))
