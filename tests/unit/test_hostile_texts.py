"""Texts of programs, git servers and registries that would keep a careless reader busy for hours."""

import pytest

from runsd.engine.progress import Layers
from runsd.errors import EngineRefused
from runsd.sources.address import parse
from runsd.sources.trouble import explained
from runsd.telemetry.exceptions import Exceptions
from runsd.telemetry.facts import Raised, Signal

MIB = 1024**2


@pytest.mark.parametrize("stack", ["\n" * MIB, " \n" * MIB, 'File "' * MIB, "at " * MIB])
def test_a_stack_trace(stack: str) -> None:
    exceptions = Exceptions()
    assert exceptions.add(Raised(Signal.TRACES, b"", "E", "m", stack, 1))
    assert len(exceptions.problems) == 1


@pytest.mark.parametrize("line", ["1" * MIB, "a" * MIB, "://" * MIB, "a@" * MIB])
def test_the_words_of_a_git_server(line: str) -> None:
    told = str(explained("fetch main", f"remote: {line}\nfatal: no", parse("https://example.com/a.git")))
    assert len(told) < 1000


def test_the_words_of_a_registry_are_cut() -> None:
    with pytest.raises(EngineRefused) as refused:
        Layers().after({"error": "repository " * MIB})
    assert len(str(refused.value)) == 4096
