"""What is known of the runs of a map: pure, so that a table and plain lines show the same."""

import re
from collections import Counter
from decimal import Decimal
from typing import Final

from runsd_sdk.run import Run, Status

from runsd.cli import durations, output

_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
LAST_CHARACTERS: Final = 200


class Board:
    """The latest of each run, in the order of the values."""

    def __init__(self, key: str, values: dict[str, str]) -> None:
        self.key = key
        self.values = values
        self.runs: dict[str, Run] = {}
        self.last_lines: dict[str, str] = {}

    @property
    def over(self) -> bool:
        """Whether every run is terminal."""
        return len(self.runs) == len(self.values) and not self.live

    @property
    def all_succeeded(self) -> bool:
        """Whether every run is terminal and none failed."""
        return self.over and all(run.status is Status.SUCCEEDED for run in self.runs.values())

    @property
    def live(self) -> list[str]:
        """The ids of runs that are not known to be over."""
        return [each for each in self.values if each not in self.runs or not self.runs[each].status.terminal]

    def learn(self, run: Run) -> bool:
        """Take in a run as it is now; say whether its state is news."""
        before = self.runs.get(run.id)
        self.runs[run.id] = run
        return before is None or (before.status, before.phase) != (run.status, run.phase)

    def heard(self, run_id: str, text: str) -> None:
        """Take in the last line of a run's output, as a terminal would show it."""
        shown = text.rstrip("\r\n").rsplit("\r", 1)[-1]
        self.last_lines[run_id] = _CONTROL.sub("", shown).replace("\t", " ")[:LAST_CHARACTERS]

    def line(self, run_id: str) -> str:
        """Return one plain line about a run."""
        run = self.runs[run_id]
        parts = [f"{self.key}={self.values[run_id]}", run_id, output.state(run)]
        if run.status.terminal:
            parts += [] if run.exit_code is None else [f"exit {run.exit_code}"]
            parts.append(durations.written(output.ran(run)))
        return "  ".join(part for part in parts if part)

    def summary(self) -> str:
        """Return one line about all runs, with their exact list price."""
        counts = Counter(run.status for run in self.runs.values())
        said = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
        cost = sum((Decimal(run.usage.cost_usd) for run in self.runs.values()), Decimal(0))
        seconds = sum(run.usage.vcpu_seconds for run in self.runs.values())
        return f"{len(self.values)} runs: {said}; {seconds:.3f} vCPU-seconds, {output.money(f'{cost:f}')}"
