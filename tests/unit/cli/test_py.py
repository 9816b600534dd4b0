"""``runs py`` as somebody types it who has just heard of it: mistakes are told before anything is sent."""

import subprocess
from pathlib import Path

import pytest

from runsd.cli import runs


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory with programs, one of which git ignores; no daemon is there."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name, text in {"a.py": "", "ignored.py": "", ".gitignore": "ignored.py\n", "need.txt": ""}.items():
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RUNSD_HOST", f"unix://{tmp_path}/none")
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command that comes to nothing says."""
    assert runs.execute(["py", *words]) == 125
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("runs: ")
    return err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "what shall run?"),
        ("a.py --fold 3", "the program's own stand behind --"),
        ("/elsewhere/a.py", "/elsewhere/a.py is not in the directory you are in"),
        ("../a.py:f", "../a.py:f is not in the directory you are in"),
        ("a.py --requirements ../need.txt", "../need.txt is not in the directory you are in"),
        ("ignored.py", "ignored.py does not go along: git ignores it"),
        ("./ignored.py:f", "ignored.py does not go along: git ignores it"),
        ("a.py:f --arg hello", """a text needs its quotes: '"hello"'"""),
        ("a.py:f --arg NaN", "it has no NaN"),
        ("a.py:f --kwarg x", "'x' is not K=JSON"),
        ("a.py:f x", "a function takes --arg and --kwarg, not words"),
        ("a.py --arg 1", "only a function takes these"),
        ("a.py --git example.org/x", "write https://…"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    capsys: pytest.CaptureFixture[str], words: str, why: str
) -> None:
    assert why in said(capsys, *words.split())


def test_a_path_may_be_written_from_anywhere_to_here(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    for path in ("a.py", "./a.py", "../here/a.py", str(here / "a.py"), f"{here}/a.py:f"):
        assert "cannot reach" in said(capsys, path, "--requirements", str(here / "need.txt"))
