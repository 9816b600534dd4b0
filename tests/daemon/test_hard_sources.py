"""Sources that move, vanish, are large or missing: what ran is what is on record, what failed is named."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from runsd_sdk import Reason, RunHandle, Status

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, GATE, Daemon, eventually
from tests.daemon.repository import commit, git, made
from tests.sources.held import held_line
from tests.sources.repository import serving

MIB = 1024**2
# LARGE_REPOSITORY_MIB=200 tries a larger one.
LARGE_BYTES = int(os.environ.get("LARGE_REPOSITORY_MIB", "48")) * MIB
PROGRAM = """
import os, sys
def main(): return open("content").read()
def sizes(): return sum(os.path.getsize(name) for name in os.listdir() if name.startswith("part"))
def fails():
    print(main())
    sys.exit(5)
"""


class Origin:
    """A repository that runs take their program from."""

    def __init__(self, daemon: Daemon, path: Path, image: str, *, url: str = "") -> None:
        self.path = path
        self.url = url or str(path)
        self._daemon = daemon
        self._image = image

    def submit(self, ref: str | None = "main", *, function: str = "main.py:main", **spec: Any) -> RunHandle:
        """Submit a run of a branch."""
        return self._daemon.client.create(
            image=self._image,
            network="none",
            source={"git": {"url": self.url, "ref": ref}},
            python={"entrypoint": {"function": function}},
            **spec,
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where repositories are that runs may use."""
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(scope="module")
def narrow(serve: Serve, folder: Path) -> Iterator[Daemon]:
    """A daemon that lets one run go at a time."""
    with serve(
        RUNSD_SOURCES__LOCAL=str(folder), RUNSD_CAPACITY__CPU="500m", RUNSD_CAPACITY__OVERCOMMIT="1"
    ) as daemon:
        yield daemon


@contextmanager
def queueing(daemon: Daemon) -> Iterator[None]:
    """Let everything wait that is submitted meanwhile."""
    first = daemon.submit("sh", "-c", GATE)
    daemon.until(first.id, "run.running")
    yield
    daemon.open_gate(first.id)


def test_what_runs_is_what_the_branch_was_when_it_was_prepared(
    narrow: Daemon, folder: Path, python_image: str
) -> None:
    origin = Origin(narrow, folder / "moves", python_image)
    made(origin.path, {"main.py": PROGRAM, "content": "submitted"})
    git(origin.path, "branch", "gone")
    with queueing(narrow):
        moving, gone = origin.submit(), origin.submit("gone")
        assert narrow.client.get(moving.id).source_commit is None
        moved = commit(origin.path, {"content": "moved"})
        git(origin.path, "branch", "-D", "gone")
    result = moving.wait(ENDED_S, check=True)
    assert (result.source_commit, result.return_value) == (moved, "moved")
    failed = gone.wait(ENDED_S)
    assert (failed.reason, failed.exit_code) == (Reason.SOURCE_FAILED, None)
    assert "cannot find 'gone'" in str(failed.message)


def test_a_retry_stays_with_the_commit(narrow: Daemon, folder: Path, python_image: str) -> None:
    origin = Origin(narrow, folder / "retried", python_image)
    settled = made(origin.path, {"main.py": PROGRAM, "content": "settled"})
    retries = {"limit": 1, "on": ["exited:5"], "backoffSeconds": 1}
    run = origin.submit(function="main.py:fails", retries=retries)
    narrow.until(run.id, "run.retrying")
    commit(origin.path, {"content": "moved"})
    result = run.wait(ENDED_S)
    assert (result.attempt, result.exit_code, result.source_commit) == (2, 5, settled)
    assert [narrow.raw(run.id, attempt=number) for number in (1, 2)] == [b"settled\n"] * 2


def test_a_rerun_of_a_commit_that_was_rewritten_since(
    narrow: Daemon, folder: Path, python_image: str
) -> None:
    origin = Origin(narrow, folder / "rewritten", python_image)
    first = made(origin.path, {"main.py": PROGRAM, "content": "first"})
    pushed = commit(origin.path, {"content": "pushed"})
    run = origin.submit()
    assert run.wait(ENDED_S, check=True).source_commit == pushed
    git(origin.path, "reset", "--hard", "--quiet", first)
    forced = commit(origin.path, {"content": "forced"})
    git(origin.path, "reflog", "expire", "--expire=now", "--all")
    git(origin.path, "gc", "--quiet", "--prune=now")
    # The beginning of an id needs all history, and what is here of the old one must outlast its fetch.
    assert origin.submit(forced[:9]).wait(ENDED_S, check=True).return_value == "forced"
    again = run.rerun().wait(ENDED_S, check=True)
    assert (again.source_commit, again.return_value) == (pushed, "pushed")
    anew = run.rerun(source={"git": {"url": origin.url, "ref": "main"}}).wait(ENDED_S, check=True)
    assert (anew.source_commit, anew.return_value) == (forced, "forced")


MISSING: Mapping[str, tuple[dict[str, Any], Reason, int | None, str]] = {
    "file": ({"file": "mian.py"}, Reason.EXITED, 2, "did you mean 'main.py'?"),
    "module": ({"module": "nope"}, Reason.EXITED, 1, "No module named nope"),
    "function": ({"function": "main.py:mian"}, Reason.EXITED, 1, "did you mean 'main'?"),
    "module of a function": ({"function": "nope:main"}, Reason.EXITED, 1, "no module named 'nope'"),
    "ref": ({"ref": "nope"}, Reason.SOURCE_FAILED, None, "no branch, tag or commit there"),
    "repository": ({"url": "nope"}, Reason.SOURCE_FAILED, None, "there is no such repository"),
    "host": ({"url": "git://127.0.0.1:1/x"}, Reason.SOURCE_FAILED, None, "cannot be reached"),
    "requirements": ({"requirements": "nope.txt"}, Reason.DEPENDENCIES_FAILED, None, "nope.txt"),
}


def test_what_is_missing_is_named_with_what_to_do(narrow: Daemon, folder: Path, python_image: str) -> None:
    made(folder / "missing", {"main.py": PROGRAM, "content": ""})
    handles = {}
    for name, (wrong, *_) in MISSING.items():
        url = wrong.pop("url", "missing")
        source = {"url": url if ":" in url else str(folder / url), "ref": wrong.pop("ref", "main")}
        python = {"requirements": wrong.pop("requirements")} if "requirements" in wrong else {}
        python["entrypoint"] = wrong or {"function": "main.py:main"}
        handles[name] = narrow.client.create(
            image=python_image, network="none", source={"git": source}, python=python
        )
    for name, (_, reason, code, words) in MISSING.items():
        result = handles[name].wait(ENDED_S)
        assert (result.status, result.reason, result.exit_code) == (Status.FAILED, reason, code), name
        assert words in (result.stderr if reason is Reason.EXITED else str(result.message)), name
        if reason is Reason.EXITED and name != "module":  # plain Python exits for that as by sys.exit()
            (problem,) = result.problems
            assert words in problem.message, name


def test_a_large_repository_is_cloned_once_and_never_held_in_memory(
    serve: Serve, folder: Path, python_image: str
) -> None:
    large = folder / "large"
    made(large, {"main.py": PROGRAM})
    git(large, "config", "core.compression", "0")
    for number in range(3):
        (large / f"part{number}").write_bytes(os.urandom(LARGE_BYTES // 3))
        commit(large, {"content": str(number)})
    with serving(folder) as port, held_line(port) as line, serve() as daemon:
        origin = Origin(daemon, large, python_image, url=f"git://127.0.0.1:{line.port}/large")
        mirrors = daemon.directory / "data" / "sources" / "mirrors"
        process = psutil.Process(daemon.pid)

        line.hold(after=LARGE_BYTES // 2)
        cancelled = origin.submit()
        line.until_holding()
        assert process.children()
        cancelled.cancel()
        assert cancelled.wait(ENDED_S).status is Status.CANCELLED
        assert eventually(lambda: not process.children())
        assert size_of(mirrors) < MIB, "what was half fetched is gone"

        line.release()
        forget_peak(daemon.pid)
        before = peak_bytes(daemon.pid)
        assert origin.submit(function="main.py:sizes").wait(ENDED_S, check=True).return_value == (
            LARGE_BYTES // 3 * 3
        )
        cloned = packs(mirrors)
        assert size_of(mirrors) > LARGE_BYTES // 3 * 3
        again = origin.submit(function="main.py:sizes").wait(ENDED_S, check=True)
        assert again.return_value == LARGE_BYTES // 3 * 3
        assert packs(mirrors) == cloned
        assert peak_bytes(daemon.pid) - before < LARGE_BYTES // 2


def test_a_repository_over_the_limit_says_so(serve: Serve, folder: Path, python_image: str) -> None:
    made(folder / "over", {"main.py": PROGRAM, "content": "0" * 4 * MIB})
    settings = {"RUNSD_SOURCES__MAX_REPOSITORY_BYTES": "1Mi", "RUNSD_SOURCES__LOCAL": str(folder)}
    with serve(**settings) as daemon:
        result = Origin(daemon, folder / "over", python_image).submit().wait(ENDED_S)
        assert result.reason is Reason.SOURCE_FAILED
        assert "it is more than 1.0 MiB; keep large data in a volume" in str(result.message)
        assert "sources.max_repository_bytes" in str(result.message)


def packs(mirrors: Path) -> dict[str, int]:
    """Return what was fetched, and when."""
    return {path.name: path.stat().st_mtime_ns for path in mirrors.rglob("*.pack")}


def size_of(folder: Path) -> int:
    """Return how many bytes are in a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory be what it uses now: proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has used."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].removesuffix("kB")) * 1024
