"""A driver for tests: gives a flow prepared answers, and keeps what it asked."""

from collections.abc import Sequence
from typing import Any

from runsd_sdk.errors import RunsdError
from runsd_sdk.steps import Alone, Aside, Emit, Flow, Outcome, Pause, Step


class Time:
    """A clock that moves only when a flow pauses, or when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Played:
    """What a flow did: the steps it asked for, what it emitted, its answer or error."""

    def __init__(self, flow: Flow[Any], answers: Sequence[Any], time: Time | None = None) -> None:
        self.asked: list[Step] = []
        self.pauses: list[float] = []
        self.emitted: list[Any] = []
        self.answer: Any = None
        self.error: RunsdError | None = None
        self._time = time or Time()
        self._answers = iter(answers)
        played = self._played(flow)
        self.answer, self.error = played.value, played.error

    def _played(self, flow: Flow[Any]) -> Outcome:
        try:
            step = next(flow)
            while True:
                step = self._outcome(step).into(flow)
        except StopIteration as stop:
            return Outcome(stop.value)
        except RunsdError as error:
            return Outcome(error=error)

    def _outcome(self, step: Step) -> Outcome:
        match step:
            case Pause(seconds):
                self.pauses.append(seconds)
                self._time.now += seconds
                return Outcome()
            case Emit(value):
                self.emitted.append(value)
                return Outcome()
            case Alone(flow):
                return self._played(flow)
            case Aside(work):
                return Outcome(work())
        self.asked.append(step)
        answer = next(self._answers)
        if callable(answer):
            answer = answer()
        return Outcome(error=answer) if isinstance(answer, RunsdError) else Outcome(answer)
