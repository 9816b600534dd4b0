"""A function is found again by its module and file, or it is said why it cannot be."""

import functools
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk import entrypoint
from runsd_sdk.entrypoint import NEAREST, Place
from runsd_sdk.errors import InvalidFunction
from runsd_sdk.python import GitSource, SourceSpec

FUNCTION = """
def square(x): return x * x
class Model:
    @staticmethod
    def fit(x): return x
"""
MAIN = f"""{FUNCTION}
if __name__ == "__main__":
    from runsd_sdk.entrypoint import NEAREST, place
    found = place(square, NEAREST)
    print(found.entrypoint, found.folder, found.search, sep="|")
"""
GIT = SourceSpec(git=GitSource(url="https://example.org/code.git"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a package in a folder of its own, a module and a script; imports are undone."""
    project = tmp_path.resolve() / "project"
    for name, text in {
        "src/aa_pack/__init__.py": FUNCTION,
        "src/aa_pack/inner/jobs.py": FUNCTION,
        "aa_flat/__init__.py": "",
        "aa_flat/jobs.py": MAIN,
        "tools/aa_beside.py": FUNCTION,
        "tools/run.py": MAIN,
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    before = set(sys.modules)
    for folder in ("src", "tools", "."):
        monkeypatch.syspath_prepend(project / folder)
    monkeypatch.chdir(project)
    yield project
    for name in set(sys.modules) - before:
        if name.startswith("aa_"):
            del sys.modules[name]


def square_of(module: str) -> Callable[..., Any]:
    found: Callable[..., Any] = importlib.import_module(module).square
    return found


def test_the_current_directory_goes_along_if_imports_begin_below_it(project: Path) -> None:
    assert entrypoint.place(square_of("aa_flat.jobs"), NEAREST) == Place("aa_flat.jobs:square", project)
    assert entrypoint.place(square_of("aa_pack.inner.jobs"), NEAREST) == Place(
        "aa_pack.inner.jobs:square", project, "src"
    )
    assert entrypoint.place(square_of("aa_pack"), NEAREST) == Place("aa_pack:square", project, "src")
    assert entrypoint.place(square_of("aa_beside"), NEAREST) == Place("tools/aa_beside.py:square", project)
    fit = importlib.import_module("aa_flat.jobs").Model.fit
    assert entrypoint.place(fit, NEAREST).entrypoint == "aa_flat.jobs:Model.fit"


def test_elsewhere_the_folder_goes_along_from_which_it_is_imported(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "src" / "aa_pack")
    assert entrypoint.place(square_of("aa_pack.inner.jobs"), NEAREST) == Place(
        "aa_pack.inner.jobs:square", project / "src"
    )
    assert entrypoint.place(square_of("aa_beside"), NEAREST) == Place(
        "aa_beside.py:square", project / "tools"
    )


def test_nobodys_home_goes_along_by_default(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    assert entrypoint.place(square_of("aa_beside"), NEAREST).folder == project / "tools"
    with pytest.raises(InvalidFunction, match=r"all of .* would go along; .* or name one as source"):
        entrypoint.place(square_of("aa_flat.jobs"), NEAREST)
    assert entrypoint.place(square_of("aa_flat.jobs"), project).folder == project


def test_a_folder_that_is_given_must_have_it(project: Path) -> None:
    found = entrypoint.place(square_of("aa_pack.inner.jobs"), Path("src"))
    assert found == Place("aa_pack.inner.jobs:square", project / "src")
    with pytest.raises(InvalidFunction, match=r"imported from .*/tools, which is not in its source .*/src"):
        entrypoint.place(square_of("aa_beside"), Path("src"))


def test_in_a_repository_paths_begin_where_it_begins(project: Path) -> None:
    (project / ".git").mkdir()
    assert entrypoint.place(square_of("aa_beside"), GIT) == Place("tools/aa_beside.py:square")
    assert entrypoint.place(square_of("aa_pack"), GIT) == Place("aa_pack:square", None, "src")


def test_what_the_image_has_is_found_by_its_module(project: Path) -> None:
    assert entrypoint.place(square_of("aa_beside"), None) == Place("aa_beside:square")
    assert entrypoint.place(importlib.import_module("json").dumps, None) == Place("json:dumps")


def test_what_is_installed_is_not_sent() -> None:
    with pytest.raises(InvalidFunction, match=r"its module is installed, in .*; give source=None"):
        entrypoint.place(importlib.import_module("json").dumps, NEAREST)


@pytest.mark.parametrize(
    ("command", "expected", "folder"),
    [
        (["tools/run.py"], "tools/run.py:square", "."),
        (["-m", "aa_flat.jobs"], "aa_flat.jobs:square", "."),
        (["-m", "tools.run"], "tools.run:square", "."),
    ],
)
def test_of_a_program_it_is_the_file_or_the_module_that_runs(
    project: Path, command: list[str], expected: str, folder: str
) -> None:
    assert printed(project, *command) == f"{expected}|{(project / folder).resolve()}|"


def test_a_script_elsewhere_takes_its_own_folder_along(project: Path) -> None:
    assert printed(project / "src", "../tools/run.py") == f"run.py:square|{project / 'tools'}|"


def printed(cwd: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("command", [["-c", MAIN], ["-"]])
def test_a_function_in_no_file_is_refused(tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, input=MAIN, capture_output=True, text=True, check=False
    )
    said = "cannot make a run of square: it is in no file, as at a prompt or in a notebook; write it"
    assert said in done.stderr


class Holder:
    def method(self) -> None: ...

    @staticmethod
    def fits(x: int) -> int:
        return x


def generates() -> Iterator[int]:
    yield 1


def nested() -> Callable[[], None]:
    def inside() -> None: ...

    return inside


REFUSED: list[tuple[object, str]] = [
    (lambda: None, "a lambda, .* write it with def"),
    (nested(), "inside another function, .* move it to its module"),
    (generates, "a generator function; let it return a list"),
    (Holder.method, "a method, .* make it a @staticmethod, or a function"),
    (Holder, "it is a class; decorate a function"),
    (functools.partial(generates), "it is a partial; decorate a function"),
    (3, "it is a int; decorate a function"),
]


@pytest.mark.parametrize(("function", "remedy"), REFUSED)
def test_what_no_run_could_find_is_refused_with_a_remedy(function: object, remedy: str) -> None:
    with pytest.raises(InvalidFunction, match=remedy):
        entrypoint.check(function)


@pytest.mark.parametrize("function", [Holder.fits, functools.lru_cache(test_what_is_installed_is_not_sent)])
def test_what_a_module_has_is_taken(function: object) -> None:
    entrypoint.check(function)
