"""Patience with an Engine in trouble: a server-side failure is asked about again before it is believed."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runsd.errors import EngineRefused, EngineUnavailable

T = TypeVar("T")
_PAUSES_S = (0.5, 1.0)
# What an Engine says when it has lost its containerd, or is being shut down.
_LEAVING = re.compile(
    r"context (canceled|deadline exceeded)|connection (refused|closed|error|reset)|transport is closing"
    r"|ttrpc: closed|containerd\.sock|code = Unavailable|shutting down|unexpected EOF",
    re.IGNORECASE,
)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make an idempotent call, up to three times while the Engine says that it is its own fault (5xx).

    An Engine that is going down answers so for a moment before it cannot be asked at all, and what it says
    then is no fact about the run. The last answer is raised as it is, unless it speaks of the Engine itself:
    then EngineUnavailable is raised.
    """
    try:
        return await _repeated(call)
    except EngineRefused as refusal:
        if refusal.own_fault and _LEAVING.search(str(refusal)):
            raise EngineUnavailable(f"the Docker Engine is in trouble: {refusal}") from refusal
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
