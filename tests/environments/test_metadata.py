"""What wheels and sources say of themselves is understood, or refused: it is a stranger's word."""

from pathlib import Path

import pytest

from runsd.environments import buildsystem, metadata
from runsd.environments.buildsystem import BuildSystem
from runsd.environments.metadata import Metadata
from runsd.errors import DependenciesFailed
from tests.environments.wheels import wheel


def test_a_wheel_says_what_it_needs(tmp_path: Path) -> None:
    found = metadata.of_wheel(wheel(tmp_path, "Own_Name", requires=["a<2", "b [c] ; extra=='d'"]))
    assert found == Metadata("own-name", "1.0", ("a<2", 'b[c]; extra == "d"'))


@pytest.mark.parametrize(
    "needs", ["a @ file:///etc/passwd", "a @ git+https://x.example/a", "a ${HOME}", "a; nonsense"]
)
def test_what_no_requirement_may_be_is_refused(tmp_path: Path, needs: str) -> None:
    with pytest.raises(DependenciesFailed, match=r"in the metadata of own-1.0-py3-none-any.whl"):
        metadata.of_wheel(wheel(tmp_path, "own", requires=[needs]))


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    for name, content in (
        ("own-1-py3-none-any.whl", b"no archive"),
        ("own-1-py3-none-any.whl", b"PK\5\6" + bytes(18)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DependenciesFailed, match=r"cannot read the metadata of own-1"):
            metadata.of_wheel(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, BuildSystem()),
        (b"[tool.x]", BuildSystem(("setuptools>=40.8.0",), "setuptools.build_meta:__legacy__")),
        (b"[build-system]\nrequires = ['a']", BuildSystem(("a", "setuptools>=40.8.0"))),
        (
            b"[build-system]\nrequires = []\nbuild-backend = 'a:b'\nbackend-path = ['c']",
            BuildSystem((), "a:b", ("c",)),
        ),
    ],
)
def test_a_source_says_how_it_is_built(text: bytes | None, said: BuildSystem) -> None:
    assert buildsystem.read(text) == said


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense", b"\xff", b"[build-system]\nbuild-backend = 'a'", b"build-system = 5",
        b"[build-system]\nrequires = 'a'", b"[build-system]\nrequires = ['a @ file:///etc/passwd']",
        b"[build-system]\nrequires = []\nbuild-backend = 5",
    ],
)  # fmt: skip
def test_what_a_source_may_not_say_is_refused(text: bytes) -> None:
    with pytest.raises(DependenciesFailed, match=r"\[build-system\] of its pyproject.toml"):
        buildsystem.read(text)
