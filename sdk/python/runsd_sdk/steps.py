"""What a flow may ask of its driver. A step that fails raises inside the flow.

A Call is answered with its parsed answer, Read with the next Frame or None at the stream's end.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from runsd_sdk.calls import Call, Feed
from runsd_sdk.errors import RunsdError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """Open a stream, in place of the one that is open."""

    feed: Feed[Any]


@dataclass(frozen=True, slots=True)
class Read:
    """Take the next frame of the open stream."""


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand a value to the caller."""

    value: T


@dataclass(frozen=True, slots=True)
class Aside(Generic[T]):
    """Do something that takes its time here, where it holds up nobody else; answered with its value."""

    work: Callable[[], T]


@dataclass(frozen=True, slots=True)
class Alone(Generic[T]):
    """Take these steps while no one else of this client takes such ones; answered with their answer."""

    flow: "Flow[T]"


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a stream; ``event`` and ``id`` are empty where the format has none."""

    data: bytes
    event: str = ""
    id: str = ""


Step = Call[Any] | Pause | Open | Read | Emit[Any] | Aside[Any] | Alone[Any]
Flow = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step: a value, or the error to raise inside the flow."""

    value: Any = None
    error: RunsdError | None = None

    def into(self, flow: Flow[Any]) -> Step:
        """Resume the flow with this, to its next step; raises StopIteration at its end."""
        if self.error is not None:
            return flow.throw(self.error)
        return flow.send(self.value)
