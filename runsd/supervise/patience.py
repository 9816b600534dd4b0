"""Patience with an Engine in trouble: a server-side failure is asked about again before it is believed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runsd.errors import EngineRefused

T = TypeVar("T")
_PAUSES_S = (0.5, 1.0)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make an idempotent call, up to three times while the Engine says that it is its own fault (5xx).

    An Engine that is going down answers so for a moment before it cannot be asked at all, and what it says
    then is no fact about the run. The last answer is raised as it is, unless it speaks of the Engine itself:
    then EngineUnavailable is raised.
    """
    try:
        return await _repeated(call)
    except EngineRefused as refusal:
        if refusal.own_fault and refusal.leaving:
            raise refusal.as_trouble() from refusal
        raise


async def _repeated(call: Callable[[], Awaitable[T]]) -> T:
    for pause_s in _PAUSES_S:
        try:
            return await call()
        except EngineRefused as refusal:
            if not refusal.own_fault:
                raise
        await asyncio.sleep(pause_s)
    return await call()
