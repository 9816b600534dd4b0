"""A repository with a server, and mirrors of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from runsd.sources.mirrors import Mirrors
from tests.leaks import settled
from tests.sources.repository import Line, Repository, serving


@dataclass(frozen=True)
class Served:
    """A folder of repositories, served by git's daemon at a port."""

    folder: Path
    port: int

    def repository(self, name: str) -> Repository:
        return Repository(self.folder / name)

    def url(self, name: str, line: Line | None = None) -> str:
        return f"git://127.0.0.1:{line.port if line else self.port}/{name}"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Git's own server."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder) as port:
        yield Served(folder, port)


@pytest.fixture
async def line(served: Served) -> AsyncIterator[Line]:
    """A line to it that counts, and can be held."""
    async with Line(served.port).open() as line:
        yield line


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    """Mirrors without any, that are patient."""
    return Mirrors(tmp_path / "mirrors", timeout_s=60)


def gits() -> set[str]:
    """Name what this process has started and is still there, dead or alive, other than the server."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if not any("daemon" in process.cmdline()[:2] for process in (child, *child.parents())):
                found.add(f"{child.pid} {child.name()}")
    return found


@pytest.fixture(autouse=True)
def _no_git_left() -> Iterator[None]:
    before = gits()  # of other tests' fixtures some may live on
    yield
    left = settled(lambda: gits() - before)
    assert not left, f"processes left: {left}"
