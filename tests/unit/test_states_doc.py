"""The picture of the state machine is the state machine."""

from pathlib import Path

import states
from runsd_sdk.run import Phase, Reason

from runsd.run import NEXT

DOC = Path(__file__).resolve().parents[2] / "docs" / "states.md"


def test_the_page_is_what_the_tables_say() -> None:
    assert DOC.read_text() == states.page(), "run .venv/bin/python scripts/states.py >docs/states.md"


def test_every_move_is_drawn_and_every_reason_is_listed() -> None:
    drawn = [line.strip() for line in states.diagram()]
    moves = [f"{phase} --> {after}: {input}" for phase in Phase for input, after in NEXT[phase].items()]
    assert [line for line in drawn if ":" in line] == moves
    for reason in Reason:
        assert any(f"`{reason}`" in line for line in states.reasons())
