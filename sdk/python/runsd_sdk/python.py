"""Python runs: which code of which source runs, in which environment."""

import json
import math
import re
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from runsd_sdk.secret import SecretName
from runsd_sdk.wire import Body

DEFAULT_VERSION = "3.12"
WORKSPACE = "/workspace"
"""Where the source is in a run's container, and where the program begins."""
MOST_ARGUMENTS_BYTES = 1024**2
"""How much JSON the arguments of an entrypoint may be, everything but ASCII escaped."""

ENTRYPOINTS = ("file", "module", "function")

_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FUNCTION = re.compile(rf"(?P<where>[^:]+\.py|{_MODULE}):(?P<name>{_MODULE})")
_VERSION = r"3\.(8|9|[1-9][0-9])"
_CREDENTIALS = re.compile(r"^[a-z+]+://[^/@]*:[^/@]*@")


def _inside(value: str) -> str:
    """Accept a path within the source: relative, without a way out."""
    parts = value.split("/")
    if value.startswith("/") or ".." in parts or re.search(r"[\0-\x1f\x7f\\]", value):
        raise ValueError(
            f"{value[:80]!r} is not a path within the source; write it from its root, as in scripts/train.py"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _module(value: str) -> str:
    if not re.fullmatch(_MODULE, value):
        raise ValueError(f"{value[:80]!r} is not a module; write it with dots, as in package.module")
    return value


def _function(value: str) -> str:
    found = _FUNCTION.fullmatch(value)
    if found is None:
        raise ValueError(
            f"{value[:80]!r} is not a function; write path/to/file.py:name or package.module:name"
        )
    if found["where"].endswith(".py"):
        return f"{_inside(found['where'])}:{found['name']}"
    return value


def _one_line(value: str) -> str:
    if not value.strip() or value.startswith("-") or re.search(r"[\0-\x1f\x7f]", value):
        raise ValueError(f"{value[:80]!r} is not a requirement; write one per entry, as in numpy>=1.24")
    return value.strip()


def _url(value: str) -> str:
    if value.startswith("-") or re.search(r"[\0-\x20\x7f]", value):
        raise ValueError(f"{value[:80]!r} is not the address of a repository")
    if _CREDENTIALS.match(value):
        raise ValueError("the address holds a password, which everybody who sees the run could read")
    return value


def _ref(value: str) -> str:
    if value.startswith("-") or re.search(r"[\0-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock$|/$|^/", value):
        raise ValueError(f"{value[:80]!r} is not a branch, tag or commit")
    return value


def _version(value: str) -> str:
    if not re.fullmatch(_VERSION, value):
        raise ValueError(f"{value[:20]!r} is not a version of Python; write 3.8 or a newer one, as in 3.12")
    return value


def _check_finite(values: Iterable[JsonValue]) -> None:
    """Refuse NaN and the infinities: JSON would have null in their places."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"an argument has {value}, which JSON does not; pass it as text, or None")
        if isinstance(value, list | dict):
            waiting.extend(value.values() if isinstance(value, dict) else value)


Path = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_inside)]
Requirement = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_one_line)]
Version = Annotated[str, AfterValidator(_version), Field(json_schema_extra={"pattern": f"^{_VERSION}$"})]


class Entrypoint(Body):
    """What is called: a file, a module (as by ``python -m``), or a function.

    ``args`` are ``sys.argv`` of a file or module, and the positional arguments of a function; only a
    function takes ``kwargs``.
    """

    file: Path | None = None
    module: Annotated[str, StringConstraints(max_length=256), AfterValidator(_module)] | None = None
    function: Annotated[str, StringConstraints(max_length=1280), AfterValidator(_function)] | None = None
    args: Annotated[list[JsonValue], Field(max_length=4096)] = []
    kwargs: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if [self.file, self.module, self.function].count(None) != 2:
            raise ValueError("entrypoint names one of file, module and function")
        if len(json.dumps([self.args, self.kwargs])) > MOST_ARGUMENTS_BYTES:
            raise ValueError(
                "args and kwargs are more than 1 MiB of JSON; put data into the source or a volume"
            )
        if self.function is not None:
            _check_finite([*self.args, *self.kwargs.values()])
            return self
        if self.kwargs:
            raise ValueError("only a function takes kwargs; give args, as on a command line")
        for number, argument in enumerate(self.args):
            if not isinstance(argument, str) or "\0" in argument:
                raise ValueError(f"args[{number}] is not text; arguments in sys.argv are strings")
        return self

    @property
    def needs_source(self) -> bool:
        """Whether it is found by a path, and so cannot do without a source."""
        return self.file is not None or (self.function or "").partition(":")[0].endswith(".py")


class PythonSpec(Body):
    """A Python program: its entrypoint, and the version and packages that it needs.

    Without a ``version`` it is 3.12, or whatever the run's own ``image`` has.
    ``requirements`` is a file of the source: requirements.txt, pyproject.toml or uv.lock.
    """

    version: Version | None = None
    dependencies: Annotated[list[Requirement], Field(max_length=512)] = []
    requirements: Path | None = None
    entrypoint: Entrypoint


class GitSource(Body):
    """A commit of a repository; without ``ref`` the newest of its default branch.

    ``secret`` names the credentials for a private one: a token or ``user:token`` for https, a private key for
    ssh.
    """

    url: Annotated[str, StringConstraints(min_length=1, max_length=2048), AfterValidator(_url)]
    ref: Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_ref)] | None = None
    secret: SecretName | None = None


class SourceSpec(Body):
    """Where the code comes from: a repository, or files that were uploaded (``POST /v1/sources``)."""

    git: GitSource | None = None
    upload: Annotated[str, StringConstraints(pattern=r"^src_[0-9a-f]{32}$")] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.git is None) == (self.upload is None):
            raise ValueError("source names one of git and upload")
        return self
