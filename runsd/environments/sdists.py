"""Source distributions that uv may take in a resolution, and what is known that they need."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from runsd.environments import standards
from runsd.environments.lock import Package
from runsd.environments.metadata import Metadata, for_uv
from runsd.environments.uv import ONLY_WHEELS
from runsd.errors import DependenciesFailed

_NO_WHEEL = re.compile(
    r"^hint: Wheels are required for `([^`]+)` because building from source is disabled", re.MULTILINE
)
# Each is a build, and a resolution that goes back from version to version would build them all.
_MOST_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class Sdists:
    """Names that uv may take the source of, and what is known of versions of them."""

    names: frozenset[str] = frozenset()
    known: tuple[Metadata, ...] = ()

    def with_names(self, names: Iterable[str]) -> "Sdists":
        """Return these and more."""
        return replace(self, names=self.names.union(names))

    def with_metadata(self, package: Package, metadata: Metadata) -> "Sdists":
        """Return these, with what a package's wheel says of itself."""
        name, version = _key(package)
        return replace(self, known=(*self.known, replace(metadata, name=name, version=version)))

    def missing(self, explanation: str) -> frozenset[str]:
        """Return the names that uv fails for the want of wheels, and that are not among these."""
        return frozenset(map(standards.canonicalize_name, _NO_WHEEL.findall(explanation))) - self.names

    def unknown(self, packages: Iterable[Package]) -> list[Package]:
        """Return the packages of which nobody knows yet what they need.

        Raises DependenciesFailed when too many versions of one turned out to need what cannot be had.
        """
        known = {(one.name, one.version) for one in self.known}
        found = [one for one in packages if one.source is not None and _key(one) not in known]
        for name in {standards.canonicalize_name(one.name) for one in found}:
            if sum(one.name == name for one in self.known) == _MOST_VERSIONS:
                raise DependenciesFailed(
                    f"cannot resolve the dependencies: what {name} needs does not go with the rest in"
                    f" {_MOST_VERSIONS} versions that were built to know; name the version"
                )
        return found

    def taken(self, place: Path) -> list[str | Path]:
        """Return uv's options: wheels alone, but of these the source, and in a file what they need.

        There is a word on each of these names, so uv builds nothing to find out.
        """
        if not self.names:
            return list(ONLY_WHEELS)
        file = place / "uv.toml"
        file.write_text(for_uv(self.names, self.known))
        options: list[str | Path] = ["--config-file", file, "--only-binary", ":all:"]
        for name in sorted(self.names):
            options += ["--no-binary", name]
        return options


def _key(package: Package) -> tuple[str, str]:
    return standards.canonicalize_name(package.name), package.version
