"""Resolution: from requirements to a lock, for one Python on one platform."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from runsd.config import EnvironmentSettings
from runsd.environments import lock, standards, uvlock
from runsd.environments.base import Base
from runsd.environments.lock import Package
from runsd.environments.metadata import Metadata
from runsd.environments.naming import counted
from runsd.environments.notes import Notes
from runsd.environments.requirements import Requirements, pinned
from runsd.environments.sdists import Sdists
from runsd.environments.uv import Failed, Places, Uv
from runsd.errors import DependenciesFailed
from runsd.flights import Tell

_CANNOT = "cannot resolve the dependencies"
# Each takes tens of megabytes; what is asked most often is remembered.
_AT_ONCE = 4
_FORGET_AFTER_S = 24 * 3600.0

Build = Callable[[Package, Tell], Awaitable[Metadata]]
"""Makes the wheel of a package that has only its source, and returns what that says it needs."""

Bench = Callable[[], AbstractAsyncContextManager[Path]]
"""Lends an empty directory."""


class Resolver:
    """Asks uv, and remembers for a while what it answered."""

    def __init__(self, uv: Uv, notes: Notes, bench: Bench, settings: EnvironmentSettings) -> None:
        self._uv = uv
        self._notes = notes
        self._bench = bench
        self._settings = settings
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def lock(self, base: Base, requirements: Requirements, tell: Tell, build: Build) -> str:
        """Return the lock for these requirements, the last one if it is young enough.

        Raises DependenciesFailed with uv's explanation, or with that of a ``build``.
        """
        key = self._key(base, requirements)
        known = await asyncio.to_thread(self._notes.read, key, within_s=self._settings.resolve_again_seconds)
        if isinstance(known, str):
            return known
        if requirements.uv_lock is not None:  # they are long, and read in Python
            requirements += await asyncio.to_thread(uvlock.pins, requirements.uv_lock, base.markers)
        _check_python(base, requirements)
        tell(f"resolving {counted(len(requirements.lines), 'requirement')} for {base.title}")
        found = await self._resolve(base, requirements, tell, build)
        await asyncio.to_thread(self._notes.write, key, found)
        return found

    def forget(self) -> None:
        """Remove what is too old to be used again."""
        self._notes.forget(older_s=max(self._settings.resolve_again_seconds, _FORGET_AFTER_S))

    async def _resolve(self, base: Base, requirements: Requirements, tell: Tell, build: Build) -> str:
        """Resolve with wheels, then again with the source of what has none until all needs are known."""
        sdists = Sdists()
        while True:
            try:
                found = await self._compile(base, requirements, sdists, tell)
            except Failed as failure:
                names = sdists.missing(failure.explanation)
                if not names:
                    raise
                if refused := [name for name in names if not requirements.may_build(name)]:
                    raise DependenciesFailed(
                        f"{_CANNOT}: {_have(refused)} no wheel for {base.title}, and --only-binary says"
                        " that it may not be built"
                    ) from failure
                tell(f"{_have(names)} no wheel for {base.title} in any version that fits")
                sdists = sdists.with_names(names)
                continue
            unknown = sdists.unknown(lock.read(found))
            if not unknown:
                return found
            for package in unknown:
                sdists = sdists.with_metadata(package, await build(package, tell))

    async def _compile(self, base: Base, requirements: Requirements, sdists: Sdists, tell: Tell) -> str:
        async with self._turns, self._bench() as place:
            asked = place / "requirements.in"
            asked.write_text("".join(f"{line}\n" for line in requirements.lines))
            arguments: list[str | Path] = ["pip", "compile", asked, "--format", "pylock.toml"]
            arguments += ["--output-file", place / "pylock.toml", "--no-header", "--no-annotate"]
            if requirements.constraints:
                (place / "constraints.txt").write_text(
                    "".join(f"{line}\n" for line in requirements.constraints)
                )
                arguments += ["--constraints", place / "constraints.txt"]
            arguments += target(base) + _strategy(requirements)
            await self._uv.run(
                arguments, places(requirements), cannot=_CANNOT, tell=lambda line: _tell_of(line, tell),
                within_s=self._settings.resolve_timeout_seconds, place=place, takes=sdists.taken(place),
            )  # fmt: skip
            text = (place / "pylock.toml").read_text()
        return lock.resolved(text, pinned(requirements))

    def _key(self, base: Base, requirements: Requirements) -> str:
        asked = [base.version, base.platform, requirements.digest(), self._uv.places(places(requirements))]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def target(base: Base) -> list[str | Path]:
    """Return uv's arguments for the Python of a base image."""
    return ["--python-version", base.version, "--python-platform", base.platform]


def places(requirements: Requirements) -> Places:
    """Return where the requirements say that packages come from."""
    return Places(requirements.index, requirements.extra_indexes, requirements.links)


def _strategy(requirements: Requirements) -> list[str | Path]:
    # As pip does with indexes that a file names: the best version of all, wherever it is.
    best: list[str | Path] = ["--index-strategy", "unsafe-best-match"] if requirements.extra_indexes else []
    return [*best, "--prerelease", "allow"] if requirements.prereleases else best


def _check_python(base: Base, requirements: Requirements) -> None:
    if not standards.SpecifierSet(requirements.python).contains(base.version, prereleases=True):
        raise DependenciesFailed(
            f"cannot use Python {base.version}: the source requires {requirements.python} (requires-python)"
        )


def _tell_of(line: str, tell: Tell) -> None:
    """Tell what is news: the lock, which uv prints too, is not, and an error may not be the last word."""
    if line.strip().startswith(("Resolved", "Downloading", "Downloaded", "warning")):
        tell(line.strip())


def _have(names: Collection[str]) -> str:
    return f"{', '.join(sorted(names))} {'has' if len(names) == 1 else 'have'}"
