"""What a uv.lock pins, for one Python on one platform."""

import pytest

from runsd.environments import uvlock
from runsd.errors import DependenciesFailed

MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.2",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}
LOCK = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "plain" },
    { name = "extended", extra = ["more"] },
    { name = "windows", marker = "sys_platform == 'win32'" },
    { name = "forked", version = "1.0", marker = "python_full_version < '3.11'" },
    { name = "forked", version = "2.0", marker = "python_full_version >= '3.11'" },
    { name = "elsewhere" },
    { name = "member" },
]

[package.optional-dependencies]
extra = [{ name = "unasked" }]

[package.dev-dependencies]
dev = [{ name = "unasked" }]

[[package]]
name = "plain"
version = "1.5"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://example.com/plain-1.5.tar.gz", hash = "sha256:ss" }
wheels = [{ url = "https://example.com/plain-1.5-py3-none-any.whl", hash = "sha256:aa" }]

[[package]]
name = "extended"
version = "2.5"
source = { registry = "https://pypi.org/simple" }

[package.optional-dependencies]
more = [{ name = "more-of-it" }]

[[package]]
name = "more-of-it"
version = "3.0"
source = { url = "https://example.com/more_of_it-3.0-py3-none-any.whl" }

[[package]]
name = "windows"
version = "1.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "forked"
version = "1.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "forked"
version = "2.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "elsewhere"
version = "1.0+cpu"
source = { registry = "https://example.com/cpu" }

[[package]]
name = "member"
version = "0.1.0"
source = { editable = "packages/member" }
dependencies = [{ name = "of-member" }]

[[package]]
name = "of-member"
version = "9.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "unasked"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
"""


def test_what_the_project_needs_here_is_pinned() -> None:
    found = uvlock.pins(LOCK, MARKERS)
    assert sorted(line.replace(" @ ", "@ ") for line in found.lines) == [
        "elsewhere==1.0+cpu",
        "extended==2.5",
        "forked==2.0",
        "more-of-it@ https://example.com/more_of_it-3.0-py3-none-any.whl",
        "of-member==9.0",
        "plain==1.5",
    ]
    assert dict(found.hashes)["plain"] == ("sha256:aa", "sha256:ss")
    assert found.extra_indexes == ("https://example.com/cpu",)
    assert found.python == ">=3.10"


def test_another_python_gets_its_own_branch() -> None:
    older = {**MARKERS, "python_full_version": "3.10.9", "python_version": "3.10"}
    assert "forked==1.0" in uvlock.pins(LOCK, older).lines


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('{ git = "https://example.com/a.git?rev=1#2" }', "comes from git"),
        ('{ path = "/etc/a-1.0-py3-none-any.whl" }', "comes from path"),
        ('{ directory = "/etc" }', "comes from directory"),
        ('{ registry = "/etc" }', "https"),
        ('{ registry = "file:///etc" }', "https"),
        ('{ url = "https://example.com/a-1.0.tar.gz" }', "wheel"),
    ],
)
def test_what_comes_from_elsewhere_is_refused_by_name(source: str, why: str) -> None:
    text = f"""\
version = 1
[[package]]
name = "app"
source = {{ virtual = "." }}
dependencies = [{{ name = "a" }}]
[[package]]
name = "a"
version = "1.0"
source = {source}
"""
    with pytest.raises(DependenciesFailed, match=why):
        uvlock.pins(text, MARKERS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("version = 2", "version"),
        ("version = ", "not what uv writes"),
        ("version = 1", "no project"),
        ("version = 1\npackage = 5", "not what uv writes"),
        ('version = 1\n[[package]]\nname = "app"', "not what uv writes"),
        (LOCK.replace('name = "plain"\nversion', 'name = "plane"\nversion'), "what plain is"),
    ],
)
def test_what_uv_does_not_write_is_refused(text: str, why: str) -> None:
    with pytest.raises(DependenciesFailed, match=why):
        uvlock.pins(text, MARKERS)
