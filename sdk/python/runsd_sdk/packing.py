"""Packing: a directory as one tar archive, the same bytes for the same files, without what git ignores."""

import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from runsd_sdk.calls import MOST_PACKED
from runsd_sdk.errors import InvalidFolder
from runsd_sdk.paths import is_behind, leads_outside
from runsd_sdk.quantity import format_bytes

_NEVER = frozenset({".git", ".venv", "__pycache__"})
_NAMED = 5
_PIECE = 256 * 1024
_BLOCK = 512
# 1980-01-02: one for all, so that the same files are the same bytes; zip files, as wheels are, know no 1970.
_MTIME = 315_619_200
_LIST = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")


class Archive:
    """A packed directory, in a temporary file that goes when it is closed."""

    def __init__(self, file: BinaryIO, files: int) -> None:
        self._file = file
        self.files = files
        self.size_bytes = os.fstat(file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove it."""
        self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes, from the beginning."""
        offset = 0
        while piece := os.pread(self._file.fileno(), _PIECE, offset):
            yield piece
            offset += len(piece)


def pack(folder: str | os.PathLike[str], *, max_bytes: int = MOST_PACKED) -> Archive:
    """Pack a directory's files, with their names, contents and whether they can be executed.

    What git would ignore is left out, and ``.git``, ``.venv`` and ``__pycache__``. Raises InvalidFolder for
    what cannot be packed: too much, links that lead out of it, or nothing at all.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InvalidFolder(f"cannot pack {folder}: it is no directory")
    try:
        names = _present(root, listed(root))
        _check_size(root, names, max_bytes)
        return _packed(root, names)
    except OSError as failure:
        where = f": {failure.filename}" if failure.filename else ""
        raise InvalidFolder(f"cannot pack {root}: {failure.strerror or failure}{where}") from failure


def listed(root: Path) -> list[str]:
    """Return the names of files and links that git tracks or would offer to add, sorted."""
    if shutil.which("git") is None:
        return sorted(_walked(root))
    if any((place / ".git").exists() for place in (root, *root.parents)):
        return sorted(set(_of_work_tree(root)))
    with tempfile.TemporaryDirectory(prefix="runsd-pack-") as apart:
        _git(root, "init", "--quiet", "--template=", apart)
        return sorted(set(_split(_git(root, f"--git-dir={apart}/.git", "--work-tree=.", *_LIST), root)))


def _of_work_tree(root: Path) -> Iterator[str]:
    return _split(_git(root, *_LIST), root)


def _split(answer: bytes, root: Path) -> Iterator[str]:
    """Walk git's list; of repositories inside, submodules or not, it names but the directory."""
    for name in map(os.fsdecode, filter(None, answer.split(b"\0"))):
        if not _NEVER.isdisjoint(name.split("/")):
            continue
        inner = root / name
        if inner.is_dir() and not inner.is_symlink():
            if (inner / ".git").exists():
                yield from (f"{name.rstrip('/')}/{below}" for below in _of_work_tree(inner))
        else:
            yield name


def _git(root: Path, *args: str) -> bytes:
    # A git hook that packs has its own repository in the environment.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *args], cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise InvalidFolder(f"cannot pack {root}: git cannot list its files: {said}")
    return done.stdout


def _walked(root: Path) -> Iterator[str]:
    """Walk everything; only where nothing says what is to be ignored, for that only git knows to read."""
    for place, folders, files in os.walk(root):
        if ".gitignore" in files or ".git" in (*files, *folders):
            raise InvalidFolder(f"cannot pack {root}: to leave out what git ignores it needs git; install it")
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if name not in _NEVER and name not in links]
        yield from (os.path.relpath(Path(place, name), root) for name in (*files, *links))


def _present(root: Path, names: Iterable[str]) -> list[str]:
    """Return the names of files and links that are there; git lists also what was deleted or replaced."""
    present: list[str] = []
    links: set[str] = set()
    for name in names:
        if is_behind(name, links) or not os.path.lexists(root / name):
            continue
        mode = (root / name).lstat().st_mode
        if stat.S_ISLNK(mode):
            target = os.readlink(root / name)  # noqa: PTH115 exactly as it is written
            if leads_outside(name, target):
                said = f"the link {name} leads to {target}, out of it; put the file there, or ignore the link"
                raise InvalidFolder(f"cannot pack {root}: {said}")
            links.add(name)
        if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
            present.append(name)
    if not present:
        raise InvalidFolder(f"cannot pack {root}: it has no files that git does not ignore")
    return present


def _check_size(root: Path, names: Sequence[str], max_bytes: int) -> None:
    sizes = {name: (root / name).lstat().st_size for name in names}
    total = sum(size + _BLOCK for size in sizes.values())
    if total <= max_bytes:
        return
    biggest = sorted(names, key=lambda name: sizes[name], reverse=True)[:_NAMED]
    some = ", ".join(f"{name} ({format_bytes(sizes[name])})" for name in biggest)
    raise InvalidFolder(
        f"cannot pack {root}: {len(names)} files need {format_bytes(total)},"
        f" {format_bytes(max_bytes)} are the most; the biggest: {some}. Put what runs do not need into"
        " .gitignore, and large data into a volume"
    )


def _packed(root: Path, names: Sequence[str]) -> Archive:
    file: BinaryIO = tempfile.TemporaryFile(prefix="runsd-pack-")  # noqa: SIM115
    try:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
            for name in names:
                _add(tar, root / name, name)
        file.flush()
        return Archive(file, len(names))
    except BaseException:
        file.close()
        raise


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = _MTIME
    if path.is_symlink():
        member.type, member.mode = tarfile.SYMTYPE, 0o777
        member.linkname = os.readlink(path)  # noqa: PTH115 exactly as it is written
        tar.addfile(member)
        return
    with path.open("rb") as content:
        about = os.fstat(content.fileno())
        member.size = about.st_size
        member.mode = 0o755 if about.st_mode & stat.S_IXUSR else 0o644
        tar.addfile(member, content)
