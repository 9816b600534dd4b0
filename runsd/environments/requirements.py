"""Requirements: what a run asks for, understood and written anew, so that nothing else reaches uv.

A line of pip's format may name files and directories of the host, run programs and read variables. What is
not known to be harmless is refused by name.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from runsd.environments import standards
from runsd.errors import DependenciesFailed

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COMMENT = re.compile(r"(?:^|(?<=\s))#")
_HASH = re.compile(r"(?<=\s)--hash(?:=|\s+)(?P<hash>\S+)")
_ELSEWHERE = re.compile(r"[./~]|[a-z]+[:+]", re.IGNORECASE)  # a path, an address, a repository
_MOST_CHARS = 4096
_MOST_LINES = 10_000
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Requirements:
    """All that is asked for. Lines are PEP 508.

    ``hashes`` are what wheels of a name may be, where the owner says so; ``links`` are pages that list
    wheels; ``python`` is the versions that the source allows; ``only_wheels`` are names that may not be
    built, or ``:all:``; ``uv_lock`` is read once the base is known.
    """

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    hashes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    index: str | None = None
    extra_indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    prereleases: bool = False
    python: str = ""
    only_wheels: tuple[str, ...] = ()
    uv_lock: str | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing has to be installed."""
        return not self.lines and self.uv_lock is None

    def __add__(self, other: "Requirements") -> "Requirements":
        return Requirements(
            lines=self.lines + other.lines,
            constraints=self.constraints + other.constraints,
            hashes=self.hashes + other.hashes,
            index=other.index or self.index,
            extra_indexes=_once(self.extra_indexes + other.extra_indexes),
            links=_once(self.links + other.links),
            prereleases=self.prereleases or other.prereleases,
            python=",".join(part for part in (self.python, other.python) if part),
            only_wheels=_once(self.only_wheels + other.only_wheels),
            uv_lock=other.uv_lock or self.uv_lock,
        )

    def may_build(self, name: str) -> bool:
        """Say whether a package may be built where it has no wheel."""
        return not {":all:", name} & set(self.only_wheels)

    def digest(self) -> str:
        """Return what tells these requirements from others."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


def stated(dependencies: Iterable[str]) -> Requirements:
    """Understand dependencies that a run names: ``["pandas", "numpy>=1.24"]``."""
    return Requirements(lines=tuple(requirement(text, "dependencies") for text in dependencies))


def requirement(text: str, where: str) -> str:
    """Write one PEP 508 requirement anew. Raises DependenciesFailed, and says where, for anything else."""
    if len(text) > _MOST_CHARS:
        raise _unreadable(text, where, f"it is longer than {_MOST_CHARS} characters")
    if _CONTROL.search(text) or "${" in text:  # uv would put variables of its environment in their places
        raise _unreadable(text, where, "variables and control characters are not allowed")
    try:
        understood = standards.Requirement(text)
    except RecursionError as failure:
        raise _unreadable(text, where, "it is nested too deep") from failure
    except standards.InvalidRequirement as failure:
        said = f"{str(failure).partition(chr(10))[0]}; write a name, as in numpy>=1.24"
        if _ELSEWHERE.match(text):
            said = "only packages of an index, and wheels as in name @ https://….whl, can be installed"
        raise _unreadable(text, where, said) from failure
    if understood.url is not None:
        wheel(understood.url, where)
    return str(understood)


def wheel(url: str, where: str) -> str:
    """Return the address of a wheel; raises DependenciesFailed for one that may not be asked."""
    if not urlsplit(page(url, where)).path.endswith(".whl"):
        raise _unreadable(url, where, "an address must be a wheel's (….whl)")
    return url


def page(url: str, where: str) -> str:
    """Return an address that may be asked; raises DependenciesFailed for every other."""
    try:
        parts = urlsplit(url)
    except ValueError as failure:
        raise _unreadable(url, where, str(failure)) from failure
    if _CONTROL.search(url) or re.search(r"[\s$]", url):
        raise _unreadable(url, where, "variables and spaces are not allowed in addresses")
    if parts.scheme != "https" or not parts.hostname:
        raise _unreadable(url, where, "only addresses that begin with https:// are allowed")
    if "@" in parts.netloc:
        said = "no credentials here; the host's administrator can give them in environments.extra_index_urls"
        raise _unreadable(f"https://…@{parts.hostname}", where, said)
    return url


def pinned(requirements: Requirements) -> dict[str, frozenset[str]]:
    """Return by name which wheels may be taken, where that is said."""
    allowed: dict[str, frozenset[str]] = {}
    for name, hashes in requirements.hashes:
        allowed[name] = allowed.get(name, frozenset()) | frozenset(hashes)
    return allowed


@dataclass(frozen=True, slots=True)
class Included:
    """A file that a requirements file names, as it is written there."""

    path: str
    as_constraints: bool


def requirements_file(text: str, where: str) -> tuple[Requirements, list[Included]]:
    """Understand pip's format, and return what it says and which further files it names."""
    found, included = Requirements(), list[Included]()
    for number, line in enumerate(_logical_lines(text)):
        if number == _MOST_LINES:
            raise _unreadable(line, where, f"the file has more than {_MOST_LINES:,} lines")
        if line.startswith("-"):
            option, _, value = re.sub(r"^(--?[A-Za-z-]+)\s*=?\s*", r"\1=", line).partition("=")
            if len(option) > 2 and not option.startswith("--"):  # -rother.txt
                option, value = option[:2], option[2:] + value
            match option:
                case "-r" | "--requirement" | "-c" | "--constraint":
                    included.append(Included(value.strip(), option in ("-c", "--constraint")))
                case "-i" | "--index-url":
                    found = replace(found, index=page(value.strip(), where))
                case "--extra-index-url":
                    found += Requirements(extra_indexes=(page(value.strip(), where),))
                case "-f" | "--find-links":
                    found += Requirements(links=(page(value.strip(), where),))
                case "--pre":
                    found = replace(found, prereleases=True)
                case "--only-binary":
                    found += Requirements(only_wheels=tuple(_names(value)))
                case "--require-hashes" | "--prefer-binary":
                    pass  # what is always so
                case "-e" | "--editable":
                    said = "the source is on the module path without being installed; leave the line out"
                    raise _unreadable(line, where, said)
                case _:
                    raise _unreadable(line, where, f"the option {option} is not allowed")
        else:
            found += _line(line, where)
    return found, included


def _line(line: str, where: str) -> Requirements:
    hashes = tuple(found["hash"] for found in _HASH.finditer(line))
    text = requirement(_HASH.sub("", line).strip(), where)
    if not hashes:
        return Requirements(lines=(text,))
    for one in hashes:
        if not _SHA256.fullmatch(one):
            raise _unreadable(line, where, "hashes must be sha256")
    name = standards.canonicalize_name(standards.Requirement(text).name)
    return Requirements(lines=(text,), hashes=((name, hashes),))


def _names(value: str) -> Iterable[str]:
    for name in re.split(r"[,\s]+", value.strip()):
        yield name if name == ":all:" else standards.canonicalize_name(name)


def _logical_lines(text: str) -> Iterable[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in re.split(r"\r?\n", joined):
        comment = _COMMENT.search(line)
        if stripped := line[: comment.start() if comment else None].strip():
            yield stripped


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _unreadable(text: str, where: str, why: str) -> DependenciesFailed:
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    return DependenciesFailed(f"cannot use {shown!r} in {where}: {why}")
