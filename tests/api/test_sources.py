"""Sources over HTTP: a directory that is sent by either client is kept once, and nothing of a bad one is."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from runsd_sdk import AsyncRunsClient, InvalidFolder, TooLarge
from runsd_sdk.packing import pack

from runsd.faults import VARIABLE, Step
from tests.api.problem import refused
from tests.conftest import Serve
from tests.daemon.harness import Daemon, eventually

TAR = {"Content-Type": "application/x-tar"}
MIB = 1024**2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory."""
    place = tmp_path / "work"
    (place / "package").mkdir(parents=True)
    (place / "train.py").write_text("print(1)\n")
    (place / "package" / "__init__.py").write_bytes(os.urandom(3 * MIB))
    (place / ".gitignore").write_text("*.csv\n")
    (place / "data.csv").write_text("1,2\n")
    return place


def kept(daemon: Daemon) -> set[str]:
    """Name what is in the folder of uploads."""
    place = daemon.directory / "data" / "sources" / "uploads"
    return {path.name for path in place.iterdir()} if place.exists() else set()


@pytest.fixture
def nothing_new(daemon: Daemon) -> Iterator[None]:
    """Nothing is kept of what a test sends."""
    before = kept(daemon)
    yield
    assert eventually(lambda: kept(daemon) == before), kept(daemon) - before


def test_a_directory_is_sent_by_both_clients_and_kept_once(daemon: Daemon, folder: Path) -> None:
    sent = daemon.client.upload(folder)
    assert sent.id.startswith("src_")
    assert (sent.files, sent.size_bytes > 3 * MIB) == (3, True)

    async def again() -> object:
        async with AsyncRunsClient(f"unix://{daemon.socket}") as client:
            return await client.upload(folder)

    before = kept(daemon)
    assert asyncio.run(again()) == sent
    assert kept(daemon) == before
    assert daemon.http.get(f"/v1/sources/{sent.id}").json() == sent.wire()


def test_new_ones_are_created_and_known_ones_are_shown(daemon: Daemon, folder: Path) -> None:
    with pack(folder) as archive:
        content = b"".join(archive.pieces())
    answers = [daemon.http.post("/v1/sources", content=content, headers=TAR) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["Location"] == f"/v1/sources/{answers[0].json()['id']}"


def test_it_survives_the_daemon(daemon: Daemon, folder: Path) -> None:
    sent = daemon.client.upload(folder)
    daemon.kill9()
    daemon.start()
    assert daemon.http.get(f"/v1/sources/{sent.id}").json() == sent.wire()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_daemon_that_is_killed_as_it_is_stored_takes_it_again(
    daemon: Daemon, folder: Path, when: str
) -> None:
    with pack(folder) as archive:
        content = b"".join(archive.pieces())
    daemon.kill9()
    daemon.start(**{VARIABLE: f"{when}:{Step.STORE_UPLOAD}"})
    daemon.asked_to_death("POST", "/v1/sources", content=content, headers=TAR)
    daemon.start()
    answer = daemon.http.post("/v1/sources", content=content, headers=TAR)
    assert answer.status_code == (201 if when == "before" else 200)


@pytest.mark.usefixtures("nothing_new")
def test_what_is_too_large_is_refused_on_both_sides(daemon: Daemon, folder: Path) -> None:
    (folder / "big").write_bytes(bytes(9 * MIB))
    with pytest.raises(TooLarge, match=r"10\.0 MiB"):
        daemon.client.upload(folder)
    with pytest.raises(InvalidFolder, match="the biggest: big"):
        daemon.client.upload(folder, max_bytes=MIB)
    for headers in (TAR, TAR | {"Transfer-Encoding": "chunked"}):
        pieces = iter([bytes(MIB)] * 12)
        answer = daemon.http.post("/v1/sources", content=pieces, headers=headers)
        assert ".gitignore" in refused(answer, 413).detail


@pytest.mark.parametrize(
    ("content", "headers", "status", "said"),
    [
        (b"", TAR, 422, "plain, uncompressed tar"),
        (b"x" * 10_000, TAR, 422, "plain, uncompressed tar"),
        (b"\x1f\x8b" + b"x" * 10_000, TAR, 422, "gzip"),
        (b"{}", {"Content-Type": "application/json"}, 415, "application/x-tar"),
        (b"{}", {}, 415, "application/x-tar"),
    ],
)
@pytest.mark.usefixtures("nothing_new")
def test_what_is_no_archive_is_refused(
    daemon: Daemon, content: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    assert said in refused(daemon.http.post("/v1/sources", content=content, headers=headers), status).detail


@pytest.mark.parametrize("id", ["src_0", "src_" + "0" * 32, "..", "%2e%2e%2fetc"])
def test_what_is_not_there_is_unknown_with_the_next_step(daemon: Daemon, id: str) -> None:
    answer = daemon.http.get(f"/v1/sources/{id}")
    assert answer.status_code == 404
    if id.startswith("src_"):
        assert "POST /v1/sources" in refused(answer, 404).detail


@pytest.mark.parametrize("length", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
@pytest.mark.usefixtures("nothing_new")
def test_a_client_that_leaves_in_the_middle_leaves_nothing(daemon: Daemon, length: str) -> None:
    before = kept(daemon)
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(daemon.socket))
        head = f"POST /v1/sources HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n{length}\r\n\r\n"
        client.sendall(head.encode() + (b"1000\r\n" if "chunked" in length else b"") + bytes(4096))
        assert eventually(lambda: kept(daemon) != before)


def test_a_large_source_does_not_pass_through_memory(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(100 * MIB))
    with serve() as daemon:
        Path(f"/proc/{daemon.pid}/clear_refs").write_text("5")  # proc(5): the peak begins anew
        before = peak_mib(daemon.pid)
        assert daemon.client.upload(tmp_path).size_bytes > 100 * MIB
        assert peak_mib(daemon.pid) - before < 50


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
