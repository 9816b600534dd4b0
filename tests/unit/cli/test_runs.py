"""The command as a whole: what every command has, and how trouble is told."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from runsd.cli import output, runs

COMMANDS = {
    "run", "py", "map", "ps", "show", "why", "wait", "logs", "cancel", "rerun", "extend", "rm", "result",
    "problems", "stats", "events", "usage", "audit", "open",
    "volume create", "volume ls", "volume show", "volume rm",
    "webhook create", "webhook ls", "webhook show", "webhook edit", "webhook rotate", "webhook test",
    "webhook rm", "webhook deliveries", "webhook delivery", "webhook redeliver",
    "secret set", "secret ls", "secret rm",
    "project create", "project ls", "project show", "project add", "project limit",
    "project remove", "project set", "project rm",
    "key create", "key ls", "key rm",
    "save", "task create", "task ls", "task show", "task versions", "task run", "task edit", "task rm",
    "task hook", "task unhook",
    *(f"schedule {name}" for name in ("set", "ls", "show", "pause", "resume", "rm")),
    *(f"task schedule {name}" for name in ("set", "ls", "show", "pause", "resume", "rm")),
}  # fmt: skip


def commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


ALL = dict(commands(typer.main.get_command(runs.app)))


def test_the_commands_are_the_contracts() -> None:
    assert set(ALL) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_json_and_has_a_first_sentence_that_fits(name: str) -> None:
    assert any("--json" in param.opts for param in ALL[name].params)
    assert re.match(r"[A-Z][^.]{5,70}[.]", ALL[name].help or ""), ALL[name].help


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUNSD_HOST", f"unix://{tmp_path}/none")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("ps", 5, "start the daemon"),
        ("show x", 5, "cannot reach"),
        ("logs x", 5, "cannot reach"),
        ("volume ls", 5, "cannot reach"),
        ("map --over A=1 alpine", 5, "cannot reach"),
        ("run alpine", 125, "cannot reach"),
        ("wait x", 125, "cannot reach"),
        ("ps --bogus", 2, "--bogus"),
        ("run --bogus alpine", 125, "--bogus"),
        ("wait", 125, "ID"),
        ("show", 2, "ID"),
        ("nonsense", 2, "nonsense"),
        ("run", 125, "which image"),
        ("run --timeout soon alpine", 125, "90s, 15m, 2h"),
        ("map --over A alpine", 2, "KEY=a,b,c"),
        ("map alpine", 2, "--over"),
        ("extend x later", 2, "90s, 15m, 2h"),
        ("logs x -n many", 2, "neither a number nor all"),
        ("run --cpus x alpine", 125, "resources.requests.cpu"),
        ("map --over A=1 --cpus x alpine", 2, "resources.requests.cpu"),
    ],
)
def test_trouble_is_a_sentence_on_stderr_and_a_code(
    words: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs.execute(words.split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("runs: ")
    assert said in err


def test_an_address_that_cannot_be_used_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNSD_HOST", "nowhere")
    assert runs.execute(["ps"]) == 2
    assert "unix:///path/to.sock" in capsys.readouterr().err


def test_help_loads_neither_models_nor_http() -> None:
    code = (
        "import sys; from runsd.cli import runs; runs.execute(['--help']);"
        "print({'pydantic', 'httpx2', 'rich', 'asyncio', 'yaml'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"
    assert "Run containers to completion" in done.stdout


def test_tables_are_aligned_and_coloured_cells_take_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("A", "B"), [("\x1b[31mred\x1b[0m", "1"), ("longer", "2")])
    assert capsys.readouterr().out == "A       B\n\x1b[31mred\x1b[0m     1\nlonger  2\n"


def test_fields_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    output.fields([("id", "x"), ("name", ""), ("two lines", "a\nb")])
    assert capsys.readouterr().out == "id:         x\ntwo lines:  a\n            b\n"
