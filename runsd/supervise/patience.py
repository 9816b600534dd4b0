"""Patience with an Engine in trouble: a server-side failure is asked about again before it is believed."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from runsd.errors import EngineRefused

T = TypeVar("T")
_PAUSES_S = (0.5, 1.0)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make an idempotent call, up to three times while the Engine says that it is its own fault (5xx).

    An Engine that is going down answers so for a moment before it cannot be asked at all, and what it says
    then is no fact about the run. The last answer is raised as it is.
    """
    for pause_s in _PAUSES_S:
        try:
            return await call()
        except EngineRefused as refusal:
            if (refusal.status or 0) < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        await asyncio.sleep(pause_s)
    return await call()
