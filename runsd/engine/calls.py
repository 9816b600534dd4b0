"""Calls that the Engine owes an answer to: what tells a stuck Engine from a slow one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

from runsd.engine.port import Overdue
from runsd.errors import EngineError

_REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True)
class _Call:
    kind: str
    since: float
    given_up: float | None = None


class Calls:
    """Every unary call until it is answered, also those that were given up waiting.

    An answer to a call clears the older ones of its kind: an Engine that still answers ``container start`` is
    not stuck there, whatever became of one of them. So is everything cleared when the Engine has gone away:
    the next one at that address owes nothing.
    """

    def __init__(self) -> None:
        self._owed: dict[int, _Call] = {}
        self._numbers = count()

    @contextmanager
    def asked(self, kind: str) -> Iterator[None]:
        """Note a call. Left by TimeoutError it stays owed; any other way out is an answer, or lets it go."""
        number, call = next(self._numbers), _Call(kind, time.monotonic())
        self._owed[number] = call
        try:
            yield
        except TimeoutError:
            self._owed[number] = replace(call, given_up=time.monotonic())
            raise
        except EngineError:  # a refusal is an answer
            self._answered(number, kind)
            raise
        except BaseException:
            self._owed.pop(number, None)
            raise
        else:
            self._answered(number, kind)

    def forget(self) -> None:
        """Owe nothing: whoever was asked is not there any more."""
        self._owed.clear()

    def longest(self) -> Overdue | None:
        """Return the oldest call without an answer.

        One that was given up counts for a minute more: its work may have been done without a word, and if
        the Engine is still stuck, the next call of its kind says so.
        """
        since = time.monotonic() - _REMEMBERED_S
        self._owed = {n: c for n, c in self._owed.items() if c.given_up is None or c.given_up > since}
        oldest = min(self._owed.values(), key=lambda call: call.since, default=None)
        return None if oldest is None else Overdue(oldest.kind, time.monotonic() - oldest.since)

    def _answered(self, number: int, kind: str) -> None:
        self._owed = {n: call for n, call in self._owed.items() if call.kind != kind or n > number}


def kind_of(method: str, path: str) -> str:
    """Name a call as the Engine's own command line does: ``container start``, ``volume remove``."""
    noun, *rest = path.strip("/").split("/")
    last = rest[-1] if rest else ""
    if method == "DELETE":
        verb = "remove"
    elif method == "GET" and (noun != "containers" or last == "json"):
        verb = "list" if len(rest) == 1 and last == "json" else "inspect" if rest else ""
    else:
        verb = last
    return f"{noun.removesuffix('s')} {verb}".strip()
