"""Whatever stands in requirements, they are understood or refused, and nobody waits for that for ever."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runsd.environments import buildsystem, project, requirements, uvlock
from runsd.errors import DependenciesFailed
from tests.environments.test_requirements import source

MIB = 1024**2
NESTED = "x = " + "[" * 200_000
pieces = st.sampled_from(
    [
        *(
            "a",
            "b-1",
            ">=",
            "==",
            "1.0",
            "*",
            "~=",
            ",",
            ";",
            "(",
            ")",
            "[",
            "]",
            "@",
            " ",
            "\t",
            "'",
            '"',
            "!",
        ),
        *("and", "or", "python_version", "in", "not", "https://h/a.whl", "${X}", "-r", "--hash=sha256:", "#"),
        *("\\", "..", "\n", "\r\n", "\x85", "é", "==="),
    ]
)
texts = st.lists(pieces, max_size=30).map("".join)


@given(texts)
@settings(deadline=None)
def test_a_requirement_is_written_anew_or_refused(text: str) -> None:
    with suppress(DependenciesFailed):
        written = requirements.requirement(text, "here")
        assert requirements.requirement(written, "here") == written


@given(texts)
@settings(deadline=None)
def test_a_file_is_understood_or_refused(text: str) -> None:
    with suppress(DependenciesFailed):
        requirements.requirements_file(text, "requirements.txt")
    with suppress(DependenciesFailed):
        project.pyproject(f"[project]\ndependencies = [{text}]", "pyproject.toml")


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * MIB + "b",
        "a" + " --hash" * 100_000,
        "a" + " #" * 100_000 + "\nb",
        "a; " + "(" * 4000,
        "a>=" + "1" * 5000,
        "a>=" + "1," * 2000,
        "\n".join(["a"] * 10_001),
        "\\\n" * 100_000 + "?",
    ],
    ids=lambda text: repr(text[:12]),
)
async def test_long_lines_and_many_of_them_are_read_in_one_go_or_refused(text: str) -> None:
    """Each of them takes hours where a reader looks for something from every character to the end."""
    with suppress(DependenciesFailed):
        await project.read("requirements.txt", source({"requirements.txt": text.encode()}))


async def test_what_is_nested_without_end_is_refused() -> None:
    with pytest.raises(DependenciesFailed, match="nested too deep"):
        await project.read("pyproject.toml", source({"pyproject.toml": NESTED.encode()}))
    with pytest.raises(DependenciesFailed, match="nested too deep"):
        buildsystem.read(NESTED.encode())
    with pytest.raises(DependenciesFailed, match="nested too deep"):
        uvlock.pins(NESTED, {})
    with pytest.raises(DependenciesFailed):
        requirements.stated(["a; " + "(" * 500])
