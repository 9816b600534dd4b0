"""Tree: a virtual environment for a Python that is not here, made of a lock, and its build context."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from runsd_sdk.quantity import format_bytes

from runsd.environments import packing
from runsd.environments.base import Base
from runsd.environments.lock import Wheel, installable, read
from runsd.environments.naming import counted
from runsd.environments.resolve import target
from runsd.environments.uv import Places, Uv
from runsd.flights import Tell

VENV = PurePosixPath("/opt/runsd/venv")
"""Where it is in the image."""

_PTH = "_runsd_base.pth"
# The long form is for interpreters whose path is too long, or has spaces, for the kernel: uv-install-wheel.
_LONG_SHEBANG = b"#!/bin/sh\n'''exec' "


class Tree:
    """Packages installed into a directory of the host, as ``bin`` and ``lib/pythonX.Y/site-packages``."""

    def __init__(self, uv: Uv, place: Path, *, timeout_s: float) -> None:
        self._uv = uv
        self._place = place
        self._root = place / "venv"
        self._timeout_s = timeout_s

    async def install(self, base: Base, lock: str, built: Mapping[str, Wheel], tell: Tell) -> None:
        """Fetch and unpack what the lock names; of sources the wheels that were built, by their SHA-256.

        Raises DependenciesFailed with uv's explanation.
        """
        packages = read(lock)
        size = format_bytes(sum(one.size for one in packages))
        tell(f"installing {counted(len(packages), 'package')}, {size}")
        file = self._place / "pylock.toml"
        file.write_text(installable(lock, built))
        # Files are shared with uv's cache where the file system can: they are read once, into the context.
        await self._uv.run(
            ["pip", "install", "--prefix", self._root, "--no-deps", "--link-mode", "hardlink", "-r", file,
             *target(base)],
            Places(),
            cannot="cannot install the dependencies", tell=lambda line: _tell_of(line, tell),
            within_s=self._timeout_s, place=self._place,
        )  # fmt: skip

    def adapt(self, base: Base) -> None:
        """Turn what uv has laid out for the Python of this host into an environment of the base's Python."""
        short = ".".join(base.version.split(".")[:2])
        site = self._root / "lib" / f"python{short}" / "site-packages"
        _rename(self._root, site)
        (self._root / ".lock").unlink(missing_ok=True)  # uv's
        bin = self._root / "bin"
        bin.mkdir(exist_ok=True)
        for script in bin.iterdir():
            _interpret(script, f"{VENV}/bin/python")
        for name in ("python", "python3", f"python{short}"):
            (bin / name).unlink(missing_ok=True)
            (bin / name).symlink_to(base.base_interpreter if name == "python" else "python")
        home = PurePosixPath(base.base_interpreter).parent
        _put(
            self._root / "pyvenv.cfg",
            f"home = {home}\ninclude-system-site-packages = true\nversion = {base.version}\n".encode(),
        )
        if base.inherited:
            _put(site / _PTH, "".join(f"{path}\n" for path in base.inherited).encode())

    def archive(self) -> Iterator[bytes]:
        """Return a tar archive with ``venv``: the same bytes for the same content."""
        return packing.gathered(self._members(), packing.end())

    def _members(self) -> Iterator[bytes]:
        for path in [self._root, *sorted(self._root.rglob("*"))]:
            yield from packing.member(path, str(PurePosixPath("venv", *path.relative_to(self._root).parts)))


def _rename(root: Path, site: Path) -> None:
    """Put all that was installed where the base's Python looks. Records stay true: no path gets deeper."""
    site.parent.mkdir(parents=True, exist_ok=True)
    for found in sorted(root.glob("lib*/python*/site-packages")):
        if found == site:
            continue
        if not site.exists():
            found.rename(site)
        else:
            _merge(found, site)
    site.mkdir(exist_ok=True)
    for empty in sorted(root.glob("lib*/python*")):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


def _merge(source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        goal = target / path.name
        if goal.is_dir() and path.is_dir():
            _merge(path, goal)
        else:
            path.rename(goal)
    source.rmdir()


def _interpret(script: Path, interpreter: str) -> None:
    """Have a script run by another interpreter."""
    if script.is_symlink() or not script.is_file():
        return
    content = script.read_bytes()
    if not content.startswith(b"#!"):
        return
    first, _, rest = content.partition(b"\n")
    if content.startswith(_LONG_SHEBANG):
        _, _, rest = content.partition(b"' '''\n")
    elif b"python" not in first:
        return
    _put(script, f"#!{interpreter}\n".encode() + rest, mode=0o755)


def _put(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put a new file in the place of what may be a name of one in uv's cache."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.chmod(mode)
    part.replace(path)


def _tell_of(line: str, tell: Tell) -> None:
    """Tell what goes on; not every package by name."""
    if line.strip().startswith(("Downloading", "Downloaded", "Prepared", "Installed", "warning", "error")):
        tell(line.strip())
