"""What the shell completes: never a wait that a person would notice."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from runsd.cli import select


@pytest.mark.timeout(5)
@pytest.mark.parametrize("complete", [select.complete, select.complete_volume])
def test_a_daemon_that_does_not_answer_holds_no_shell_up(
    complete: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(select, "COMPLETION_S", 0.1)
    monkeypatch.setenv("RUNSD_HOST", f"unix://{tmp_path}/mute.sock")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(f"{tmp_path}/mute.sock")
        mute.listen()
        assert complete("") == []
