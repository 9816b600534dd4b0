"""Lock: the files of every package, by address and hash, in the form of PEP 751 (pylock.toml).

Written anew from what uv resolves: in one order, without what changes from day to day, so that equal locks
are equal texts. A package has wheels for one Python on one platform, or, where there is none, its source.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runsd.environments import standards, toml
from runsd.errors import DependenciesFailed


@dataclass(frozen=True, slots=True)
class File:
    """A wheel or a source distribution. ``size`` where the index says it."""

    url: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on this host."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a lock: its wheels, of which uv takes the one that fits best, or only its source."""

    name: str
    version: str
    wheels: tuple[File, ...] = ()
    source: File | None = None

    @property
    def files(self) -> tuple[File, ...]:
        """What it can be made of."""
        return self.wheels if self.source is None else (self.source,)

    @property
    def size(self) -> int:
        """How many bytes have to be fetched at most."""
        return max(file.size or 0 for file in self.files)


def resolved(text: str, allowed: Mapping[str, frozenset[str]]) -> str:
    """Return the lock that uv's ``pylock.toml`` comes to.

    ``allowed`` are the hashes that the owner wants, by name: other files are left out. Raises
    DependenciesFailed when none is left of a package.
    """
    packages = []
    for package in read(text):
        wanted = allowed.get(standards.canonicalize_name(package.name))
        left = [one for one in package.files if wanted is None or f"sha256:{one.sha256}" in wanted]
        if not left:
            raise DependenciesFailed(
                f"cannot take {package.name} {package.version}: none of its wheels for this Python and"
                " platform has a hash that the requirements list, nor has its source where it has none"
            )
        packages.append(package if package.source else replace(package, wheels=tuple(left)))
    return _written(packages, {})


def read(text: str) -> list[Package]:
    """Read a lock. Raises DependenciesFailed for one that names anything but files with their hashes."""
    try:
        document = toml.parsed(text)
        return [_package(package) for package in document.get("packages", [])]
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise DependenciesFailed(f"cannot read the lock: {failure!r}") from failure


def installable(text: str, built: Mapping[str, Wheel]) -> str:
    """Return a lock for uv, with a wheel of this host in the place of each source, found by its SHA-256."""
    return _written(read(text), built)


def _package(package: Mapping[str, Any]) -> Package:
    name, version = str(package["name"]), package.get("version")
    if "sdist" in package and not package.get("wheels"):
        return Package(name, str(package["version"]), source=_file(package["sdist"]))
    # A requirement that is an address has an archive, and a version only in its name.
    wheels = tuple(_wheel(wheel) for wheel in package.get("wheels") or [package["archive"]])
    return Package(name, str(version or wheels[0].url.rpartition("/")[2].split("-")[1]), wheels)


def _wheel(wheel: Mapping[str, Any]) -> File:
    file = _file(wheel)
    if not urlsplit(file.url).path.endswith(".whl"):
        raise ValueError(f"{file.url} is no wheel")
    return file


def _file(file: Mapping[str, Any]) -> File:
    size = file.get("size")
    return File(_public(str(file["url"])), str(file["hashes"]["sha256"]), None if size is None else int(size))


def _public(url: str) -> str:
    """Return an address without the credentials of its index: uv is given those again when it fetches."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _written(packages: list[Package], built: Mapping[str, Wheel]) -> str:
    parts = ['lock-version = "1.0"\ncreated-by = "runsd"\n']
    for package in sorted(packages, key=lambda package: (package.name, package.version)):
        parts.append(
            f"\n[[packages]]\nname = {_text(package.name)}\nversion = {_text(package.version)}\n"
            f"{_files(package, built)}\n"
        )
    return "".join(parts)


def _files(package: Package, built: Mapping[str, Wheel]) -> str:
    if package.source is None:
        lines = [_line(wheel) for wheel in package.wheels]
    elif package.source.sha256 in built:
        wheel = built[package.source.sha256]
        lines = [f"{{ path = {_text(str(wheel.path))}, hashes = {{ sha256 = {_text(wheel.sha256)} }} }}"]
    else:
        return f"sdist = {_line(package.source)}"
    return "wheels = [\n" + "".join(f"    {line},\n" for line in lines) + "]"


def _line(file: File) -> str:
    size = "" if file.size is None else f", size = {file.size}"
    return f"{{ url = {_text(file.url)}{size}, hashes = {{ sha256 = {_text(file.sha256)} }} }}"


def _text(value: str) -> str:
    return json.dumps(value)  # TOML's basic strings escape as JSON's do
