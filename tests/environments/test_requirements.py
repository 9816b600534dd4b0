"""What may be required, and how it is written: no line may reach a file or a program of the host."""

import pytest

from runsd.environments import project
from runsd.environments.requirements import Requirements, requirements_file, stated
from runsd.errors import DependenciesFailed

HASH = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("pandas", "pandas"),
        ("numpy >= 1.24, <3", "numpy<3,>=1.24"),
        ("uvicorn [standard]==0.30", "uvicorn[standard]==0.30"),
        ("tomli; python_version<'3.11'", 'tomli; python_version < "3.11"'),
        ("a @ https://example.com/a-1.0-py3-none-any.whl", "a@ https://example.com/a-1.0-py3-none-any.whl"),
    ],
)
def test_dependencies_are_written_anew(written: str, understood: str) -> None:
    (line,) = stated([written]).lines
    assert line.replace(" @ ", "@ ") == understood


@pytest.mark.parametrize(
    "line",
    [
        "-r /etc/shadow",
        "/etc/shadow",
        "./here",
        ".",
        "file:///etc/shadow",
        "a @ file:///etc/shadow",
        "a @ file:///tmp/a-1.0-py3-none-any.whl",
        "a @ http://169.254.169.254/a-1.0-py3-none-any.whl",
        "a @ git+https://example.com/a.git",
        "a @ https://example.com/a-1.0.tar.gz",
        "a @ https://me:secret@example.com/a-1.0-py3-none-any.whl",
        "a @ https://example.com/${HOME}/a-1.0-py3-none-any.whl",
        "a @ https://example.com/a\n-r /etc/shadow.whl",
        "a; python_version < '${SECRET}'",
        "a\n-r /etc/shadow",
        "https://example.com/a-1.0-py3-none-any.whl",
        "--index-url=https://example.com",
        "a --config-settings=x=y",
        "",
        "a b",
    ],
)
def test_whatever_is_no_name_with_a_version_is_refused(line: str) -> None:
    with pytest.raises(DependenciesFailed, match="cannot use"):
        stated([line])


def test_credentials_are_not_repeated() -> None:
    with pytest.raises(DependenciesFailed) as refused:
        requirements_file("--extra-index-url https://me:secret@example.com/simple", "requirements.txt")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--editable=.",
        "-f /srv/wheels",
        "--find-links file:///srv/wheels",
        "-i file:///srv/simple",
        "--index-url http://example.com/simple",
        "--extra-index-url=${INDEX}",
        "--trusted-host example.com",
        "--no-binary :all:",
        "--global-option=--help",
        "--hash=sha256:0",
        "a --hash=md5:0",
        "a --global-option=x",
        "-x",
    ],
)
def test_options_that_reach_the_host_or_nothing_that_is_known_are_refused(line: str) -> None:
    with pytest.raises(DependenciesFailed, match="cannot use"):
        requirements_file(line, "requirements.txt")


def test_a_requirements_file_is_understood() -> None:
    text = f"""\
# comment
--index-url https://example.com/simple
--extra-index-url=https://example.com/more  # comment
-f https://example.com/links.html
--pre
--only-binary :all:
a==1.0 \\
    --hash={HASH} \\
    --hash={HASH.replace("0", "1")}
b>=2 # why
-r more.txt
-cless.txt
"""
    found, included = requirements_file(text, "requirements.txt")
    assert found.lines == ("a==1.0", "b>=2")
    assert found.hashes == (("a", (HASH, HASH.replace("0", "1"))),)
    assert found.index == "https://example.com/simple"
    assert found.extra_indexes == ("https://example.com/more",)
    assert found.links == ("https://example.com/links.html",)
    assert found.prereleases
    assert [(one.path, one.as_constraints) for one in included] == [("more.txt", False), ("less.txt", True)]


async def test_files_of_the_source_are_followed_once_each() -> None:
    files = {
        "deploy/requirements.txt": b"-r ../base.txt\n-c limits.txt\na\n",
        "base.txt": b"-r deploy/requirements.txt\nb\n",
        "deploy/limits.txt": b"c<3\n-r more-limits.txt",
        "deploy/more-limits.txt": b"d<4\n",
    }
    found = await project.read("deploy/requirements.txt", source(files))
    assert found == Requirements(lines=("a", "b"), constraints=("c<3", "d<4"))


@pytest.mark.parametrize(
    "named",
    ["/etc/shadow", "../../etc/shadow", "file:///etc/shadow", "https://example.com/r.txt", "$HOME/r.txt"],
)
async def test_files_outside_of_the_source_are_refused(named: str) -> None:
    asked = []

    async def fetch(path: str) -> bytes | None:
        asked.append(path)
        return f"-r {named}".encode()

    with pytest.raises(DependenciesFailed, match="not a file of the source"):
        await project.read("deploy/requirements.txt", fetch)
    assert asked == ["deploy/requirements.txt"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no file requirements.txt"),
        (b"\xff\xfe", "not UTF-8"),
        (b"-r missing.txt", "no file missing.txt, which requirements.txt names"),
    ],
)
async def test_a_file_that_cannot_be_read_is_named(content: bytes | None, why: str) -> None:
    with pytest.raises(DependenciesFailed, match=why):
        await project.read("requirements.txt", source({"requirements.txt": content}))


async def test_pyproject_gives_its_dependencies() -> None:
    text = """\
[project]
name = "app"
requires-python = ">=3.10"
dependencies = ["a>=1", "torch"]
[project.optional-dependencies]
dev = ["pytest"]
[tool.uv]
constraint-dependencies = ["b<2"]
[tool.uv.sources]
torch = { index = "cpu" }
other = { path = "/etc" }
[[tool.uv.index]]
name = "cpu"
url = "https://example.com/cpu"
"""
    found = await project.read("pyproject.toml", source({"pyproject.toml": text.encode()}))
    assert found == Requirements(
        lines=("a>=1", "torch"),
        constraints=("b<2",),
        extra_indexes=("https://example.com/cpu",),
        python=">=3.10",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[tool.poetry]", r"no \[project\] table"),
        ('[project]\nname = "a"\ndynamic = ["dependencies"]', "dynamic"),
        ('[project]\ndependencies = "a"', "not a list of texts"),
        (
            '[project]\ndependencies = ["a"]\n[tool.uv.sources]\na = { path = "/etc" }',
            "elsewhere than an index",
        ),
        ('[project]\ndependencies = ["a @ file:///etc/a.whl"]', "https"),
        ("[project", "pyproject.toml"),
    ],
)
async def test_a_pyproject_that_is_not_understood_is_refused(text: str, why: str) -> None:
    with pytest.raises(DependenciesFailed, match=why):
        await project.read("pyproject.toml", source({"pyproject.toml": text.encode()}))


def source(files: dict[str, bytes | None] | dict[str, bytes]) -> project.Fetch:
    """Return how files of a source are read."""

    async def fetch(path: str) -> bytes | None:
        return files.get(path)

    return fetch
