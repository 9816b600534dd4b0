"""Metadata: what a package needs, as its wheel says, and as uv is told so that it builds nothing to know."""

import json
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from runsd.environments import requirements, standards
from runsd.errors import DependenciesFailed

_MOST_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Metadata:
    """What one version of a package needs. Lines are PEP 508, ``python`` is the versions that it allows."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    python: str = ""


def of_wheel(path: Path) -> Metadata:
    """Read what a wheel says of itself, without unpacking it.

    Raises DependenciesFailed where that is not understood, or is what no requirement may be.
    """
    where = f"the metadata of {path.name}"
    try:
        raw, _ = standards.parse_email(_text(path))
        return Metadata(
            name=standards.canonicalize_name(raw["name"]),
            version=raw["version"],
            requires=tuple(requirements.requirement(line, where) for line in raw.get("requires_dist", ())),
            extras=tuple(raw.get("provides_extra", ())),
            python=str(standards.SpecifierSet(raw.get("requires_python", ""))),
        )
    except (
        KeyError,
        ValueError,
        standards.InvalidSpecifier,
        zipfile.BadZipFile,
        NotImplementedError,
    ) as failure:
        raise DependenciesFailed(f"cannot read {where}: {failure!r}") from failure


def for_uv(names: Iterable[str], known: Collection[Metadata]) -> str:
    """Write a configuration file for uv that says what these packages need.

    Of a name's versions that are not known it says that they need nothing. As there is a word on every
    version of every name, uv never has to build one to know.
    """
    unknown = [_table(Metadata(name, "")) for name in sorted(names)]
    return "".join([*unknown, *(_table(one) for one in known)])


def _text(path: Path) -> bytes:
    info = f"{'-'.join(path.name.split('-')[:2])}.dist-info".casefold()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            folder, _, file = member.filename.partition("/")
            if file == "METADATA" and folder.casefold() == info:
                if member.file_size > _MOST_BYTES:
                    raise ValueError(f"it has more than {_MOST_BYTES} bytes")
                return archive.read(member)
    raise ValueError("there is none")


def _table(one: Metadata) -> str:
    lines = [f"name = {json.dumps(one.name)}", f"requires-dist = {json.dumps(one.requires)}"]
    if one.version:
        lines.append(f"version = {json.dumps(one.version)}")
    if one.extras:
        lines.append(f"provides-extra = {json.dumps(one.extras)}")
    if one.python:
        lines.append(f"requires-python = {json.dumps(one.python)}")
    return "\n".join(["[[dependency-metadata]]", *lines, "", ""])
