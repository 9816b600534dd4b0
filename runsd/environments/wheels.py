"""Wheels: what was built of source distributions, kept by what it was built of, there whole or not at all."""

import hashlib
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from runsd.environments import metadata, standards
from runsd.environments.lock import Package, Wheel
from runsd.environments.metadata import Metadata
from runsd.errors import DependenciesFailed

_NAME = re.compile(r"[\w.!+-]+\.whl", re.ASCII)


@dataclass(frozen=True, slots=True)
class Built:
    """A wheel that was built, and what it says of itself."""

    wheel: Wheel
    metadata: Metadata


class Wheels:
    """A folder with a folder for each. One that is lost is built again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str, package: Package) -> Built | None:
        """Return the wheel of a package, and note that it is in use."""
        for path in (self._folder / key).glob("*.whl"):
            try:
                found = _built(path, package)
            except (DependenciesFailed, OSError):  # after a power cut a file may be there without its bytes
                shutil.rmtree(path.parent, ignore_errors=True)
            else:
                os.utime(path.parent)
                return found
        return None

    def keep(self, key: str, package: Package, name: str, content: Path) -> Built:
        """Keep a wheel that is moved here, or that of who was faster; its name is its author's word.

        Raises DependenciesFailed when it is not that package's.
        """
        _check_name(name, package)
        part = self._folder / f"{secrets.token_hex(8)}.part"
        part.mkdir(mode=0o700, parents=True)
        try:
            shutil.move(content, part / name)
            _built(part / name, package)
            part.rename(self._folder / key)
        except OSError:
            if not (self._folder / key).is_dir():
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return self.find(key, package) or _gone(package)

    def forget(self, *, older_s: float) -> None:
        """Remove what was last used so long ago, and what was left half written."""
        before = time.time() - older_s
        for path in self._folder.glob("*"):
            if path.stat().st_mtime < before:
                shutil.rmtree(path, ignore_errors=True)


def _built(path: Path, package: Package) -> Built:
    found = metadata.of_wheel(path)
    if not _same(found.name, found.version, package):
        raise DependenciesFailed(
            f"cannot use what {package.name} {package.version} was built into:"
            f" it says that it is {found.name} {found.version}"
        )
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Built(Wheel(path, digest), found)


def _check_name(name: str, package: Package) -> None:
    try:
        said, version, _, _ = standards.parse_wheel_filename(name)
    except standards.InvalidWheelFilename as failure:
        raise DependenciesFailed(f"cannot use {name!r}: {failure}") from failure
    if not _NAME.fullmatch(name) or not _same(said, str(version), package):
        raise DependenciesFailed(f"cannot use {name!r}: it is no wheel of {package.name} {package.version}")


def _same(name: str, version: str, package: Package) -> bool:
    try:
        same = standards.Version(version) == standards.Version(package.version)
    except standards.InvalidVersion:
        return False
    return same and standards.canonicalize_name(name) == standards.canonicalize_name(package.name)


def _gone(package: Package) -> Built:
    raise DependenciesFailed(f"cannot read the wheel of {package.name} {package.version} that was just built")
