"""Build system: what a source distribution says of its own making (PEP 517, 518), as its pyproject.toml."""

from dataclasses import dataclass
from typing import Any

from runsd.environments import requirements, standards, toml
from runsd.errors import DependenciesFailed

_WHERE = "[build-system] of its pyproject.toml"
_SETUPTOOLS = "setuptools>=40.8.0"
# Runs a setup.py as it was run before there were build systems: beside its own modules.
_LEGACY = "setuptools.build_meta:__legacy__"


@dataclass(frozen=True, slots=True)
class BuildSystem:
    """What has to be installed to build, the object to ask, and folders of the source to import it from."""

    requires: tuple[str, ...] = (_SETUPTOOLS,)
    backend: str = _LEGACY
    path: tuple[str, ...] = ()


def read(pyproject: bytes | None) -> BuildSystem:
    """Understand the file of a source distribution, which may have none.

    Raises DependenciesFailed for what is not understood, or not allowed as a requirement.
    """
    if pyproject is None:
        return BuildSystem()
    try:
        table = toml.parsed(pyproject.decode("utf-8-sig")).get("build-system")
        if table is None:
            return BuildSystem()
        return _understood(table)
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise DependenciesFailed(f"cannot read {_WHERE}: {failure!r}") from failure


def _understood(table: dict[str, Any]) -> BuildSystem:
    requires = tuple(requirements.requirement(text, _WHERE) for text in _texts(table["requires"]))
    backend = table.get("build-backend")
    if backend is None:
        names = {standards.canonicalize_name(standards.Requirement(text).name) for text in requires}
        extra = () if "setuptools" in names else (_SETUPTOOLS,)
        return BuildSystem(requires + extra)
    (named,) = _texts([backend])
    return BuildSystem(requires, named, tuple(_texts(table.get("backend-path", []))))


def _texts(values: list[Any]) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} are not texts")
    return values
