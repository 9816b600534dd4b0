"""Lock: the wheels of every package, by address and hash, in the form of PEP 751 (pylock.toml).

Written anew from what uv resolves: in one order, without what changes from day to day, so that equal locks
are equal texts, and with nothing in it but wheels for one Python on one platform.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from runsd.environments import standards
from runsd.errors import DependenciesFailed


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file that a package can be installed from. ``size`` where the index says it."""

    url: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a lock, and its wheels: uv takes the one that fits best."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]

    @property
    def size(self) -> int:
        """How many bytes have to be fetched at most."""
        return max(wheel.size or 0 for wheel in self.wheels)


def resolved(text: str, allowed: Mapping[str, frozenset[str]]) -> str:
    """Return the lock that uv's ``pylock.toml`` comes to.

    ``allowed`` are the hashes that the owner wants, by name: other wheels are left out. Raises
    DependenciesFailed when none is left of a package.
    """
    packages = []
    for package in read(text):
        wanted = allowed.get(standards.canonicalize_name(package.name))
        wheels = [one for one in package.wheels if wanted is None or f"sha256:{one.sha256}" in wanted]
        if not wheels:
            raise DependenciesFailed(
                f"cannot take {package.name} {package.version}: none of its wheels for this Python and"
                " platform has a hash that the requirements list"
            )
        packages.append(replace(package, wheels=tuple(wheels)))
    return _written(packages)


def read(text: str) -> list[Package]:
    """Read a lock. Raises DependenciesFailed for one that names anything but wheels with their hashes."""
    try:
        document = tomllib.loads(text)
        return [_package(package) for package in document.get("packages", [])]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as failure:
        raise DependenciesFailed(f"cannot read the lock: {failure!r}") from failure


def _package(package: Mapping[str, Any]) -> Package:
    # A requirement that is an address has an archive, and a version only in its name.
    wheels = [_wheel(wheel) for wheel in package.get("wheels") or [package["archive"]]]
    version = package.get("version") or wheels[0].url.rpartition("/")[2].split("-")[1]
    return Package(str(package["name"]), str(version), tuple(wheels))


def _wheel(wheel: Mapping[str, Any]) -> Wheel:
    url, size = _public(str(wheel["url"])), wheel.get("size")
    if not urlsplit(url).path.endswith(".whl"):
        raise ValueError(f"{url} is no wheel")
    return Wheel(url, str(wheel["hashes"]["sha256"]), None if size is None else int(size))


def _public(url: str) -> str:
    """Return an address without the credentials of its index: uv is given those again when it fetches."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _written(packages: list[Package]) -> str:
    parts = ['lock-version = "1.0"\ncreated-by = "runsd"\n']
    for package in sorted(packages, key=lambda package: (package.name, package.version)):
        wheels = "\n".join(f"    {_line(wheel)}," for wheel in package.wheels)
        parts.append(
            f"\n[[packages]]\nname = {_text(package.name)}\nversion = {_text(package.version)}\n"
            f"wheels = [\n{wheels}\n]\n"
        )
    return "".join(parts)


def _line(wheel: Wheel) -> str:
    size = "" if wheel.size is None else f", size = {wheel.size}"
    return f"{{ url = {_text(wheel.url)}{size}, hashes = {{ sha256 = {_text(wheel.sha256)} }} }}"


def _text(value: str) -> str:
    return json.dumps(value)  # TOML's basic strings escape as JSON's do
