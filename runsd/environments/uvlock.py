"""A uv.lock: what it pins for one Python on one platform."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runsd.environments import requirements, standards, toml
from runsd.environments.requirements import Requirements
from runsd.errors import DependenciesFailed

_WHERE = "uv.lock"
_PYPI = "https://pypi.org/simple"
_LOCAL = ("editable", "virtual")

Table = Mapping[str, Any]


def pins(text: str, markers: Mapping[str, str]) -> Requirements:
    """Return exactly what the lock's own project needs at run time, where the markers are these.

    Raises DependenciesFailed for what does not come from an index or as a wheel over https.
    """
    try:
        document = toml.parsed(text)
        if document.get("version") != 1:
            raise _cannot(f"its version is {document.get('version')!r}, and only 1 is understood")
        return _Walk(document, markers).all()
    except (KeyError, TypeError, AttributeError, ValueError, standards.InvalidMarker) as failure:
        raise _cannot(f"it is not what uv writes ({failure!r})") from failure


@dataclass(frozen=True, slots=True)
class _Step:
    package: int
    extra: str | None


class _Walk:
    """A walk from the projects over everything that they need."""

    def __init__(self, document: Table, markers: Mapping[str, str]) -> None:
        self._packages: list[Table] = document.get("package", [])
        self._markers = {**markers, "extra": ""}
        self._python = str(document.get("requires-python", ""))

    def all(self) -> Requirements:
        found = Requirements(python=str(standards.SpecifierSet(self._python)))
        waiting = [_Step(number, None) for number in self._roots()]
        if not waiting:
            raise _cannot("it has no project")
        seen = set(waiting)
        for step in waiting:
            package = self._packages[step.package]
            if step.extra is None and not any(kind in package["source"] for kind in _LOCAL):
                found += _pin(package)
            for needed in self._needs(step):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append(needed)
        return found

    def _roots(self) -> list[int]:
        local = {
            number: next(package["source"][kind] for kind in _LOCAL if kind in package["source"])
            for number, package in enumerate(self._packages)
            if any(kind in package["source"] for kind in _LOCAL)
        }
        top = [number for number, path in local.items() if path == "."]
        return top or list(local)

    def _needs(self, step: _Step) -> Iterator[_Step]:
        package = self._packages[step.package]
        listed = (
            package.get("dependencies", [])
            if step.extra is None
            else package.get("optional-dependencies", {}).get(step.extra, [])
        )
        for dependency in listed:
            marker = dependency.get("marker")
            if marker and not standards.Marker(marker).evaluate(self._markers):
                continue
            for number in self._named(dependency):
                yield _Step(number, None)
                for extra in dependency.get("extra", []):
                    yield _Step(number, extra)

    def _named(self, dependency: Table) -> Iterator[int]:
        for number, package in enumerate(self._packages):
            if (
                package["name"] == dependency["name"]
                and dependency.get("version", package.get("version")) == package.get("version")
                and dependency.get("source", package["source"]) == package["source"]
            ):
                yield number
                return
        raise _cannot(f"it does not say what {dependency['name']} is")


def _pin(package: Table) -> Requirements:
    name, source = str(package["name"]), package["source"]
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = tuple(file["hash"] for file in files if "hash" in file)
    allowed = ((standards.canonicalize_name(name), hashes),)
    match source:
        case {"registry": str(url)}:
            line = requirements.requirement(f"{name}=={package['version']}", _WHERE)
            extra = () if url.rstrip("/") == _PYPI else (requirements.page(url, _WHERE),)
            return Requirements(lines=(line,), hashes=allowed, extra_indexes=extra)
        case {"url": str(url)}:
            return Requirements(lines=(requirements.requirement(f"{name} @ {url}", _WHERE),), hashes=allowed)
    raise _cannot(f"{name} comes from {', '.join(source)}; only indexes and wheels over https are allowed")


def _cannot(why: str) -> DependenciesFailed:
    return DependenciesFailed(f"cannot use {_WHERE}: {why}")
