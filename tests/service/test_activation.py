"""Socket activation by systemd's own tool: the daemon takes what is passed, and nothing else."""

import shutil
import socket
from pathlib import Path

import pytest
from runsd_sdk import RunsClient

from tests.service.launch import PATIENCE_S, serving, started, wait_for

pytestmark = pytest.mark.needs("systemd-socket-activate")
ACTIVATE = shutil.which("systemd-socket-activate") or ""


def test_the_first_request_starts_the_daemon_on_the_passed_socket(tmp_path: Path, engine_host: str) -> None:
    passed = tmp_path / "passed.sock"
    with started([ACTIVATE, "-l", passed, *serving(tmp_path, engine_host)], tmp_path) as process:
        listening(passed)
        before = passed.stat()
        assert not (tmp_path / "data").exists()
        with RunsClient(f"unix://{passed}", patience_seconds=0) as client:
            assert client.health().status == "ok"
            assert client.info().live == 0
        assert not (tmp_path / "runsd.sock").exists(), "it has made a socket of its own beside"
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    after = passed.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode), "it is systemd's to remove"


def test_a_passed_tcp_socket_is_refused_since_it_would_let_anybody_in(
    tmp_path: Path, engine_host: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port: int = chosen.getsockname()[1]
    command = [ACTIVATE, "-l", f"127.0.0.1:{port}", *serving(tmp_path, engine_host)]
    with started(command, tmp_path) as process:
        knock(socket.AF_INET, ("127.0.0.1", port))
        assert process.wait(PATIENCE_S) == 1
    assert "cannot use the passed socket: it is no listening Unix socket" in (tmp_path / "log").read_text()


def test_more_than_one_passed_socket_is_refused(tmp_path: Path, engine_host: str) -> None:
    both = [tmp_path / "a.sock", tmp_path / "b.sock"]
    command = [ACTIVATE, "-l", both[0], "-l", both[1], *serving(tmp_path, engine_host)]
    with started(command, tmp_path) as process:
        listening(both[1])
        knock(socket.AF_UNIX, str(both[0]))
        assert process.wait(PATIENCE_S) == 1
    assert "cannot use 2 passed sockets" in (tmp_path / "log").read_text()


def listening(path: Path) -> None:
    """Wait until the tool listens, which it says to nobody: a knock here would start the daemon."""
    table = Path("/proc/net/unix")
    wait_for(lambda: any(line.endswith(f" {path}") for line in table.read_text().splitlines()))


def knock(family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
    """Connect as soon as somebody listens, and hang up."""

    def connected() -> bool:
        with socket.socket(family) as visitor:
            return visitor.connect_ex(address) == 0

    wait_for(connected)
