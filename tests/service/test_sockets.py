"""The daemon's own socket: made for its group, taken over from the dead, never from the living."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runsd.errors import NotNow
from runsd.sockets import listening_socket
from tests.service.launch import PATIENCE_S, ready, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "place" / "runsd.sock"


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_new_socket_has_mode_0660_whatever_the_umask_and_goes_at_the_end(path: Path) -> None:
    with listening_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert os.umask(0) == 0, "the process's umask is as it was"
        assert answers(path)
    assert not path.exists()


def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    with listening_socket(path):
        assert answers(path)


def test_the_socket_of_a_living_daemon_is_refused_and_stays(path: Path) -> None:
    refusal = "another daemon answers there; stop it or choose another --socket"
    with listening_socket(path):
        with pytest.raises(NotNow, match=refusal), listening_socket(path):
            raise AssertionError("the socket was stolen")
        assert answers(path)


def test_a_daemon_that_hangs_behind_a_full_backlog_is_still_a_daemon(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as queued:
        hung.bind(str(path))
        hung.listen(0)
        queued.connect(str(path))
        with pytest.raises(NotNow, match="another daemon answers there"), listening_socket(path):
            pass
    assert path.exists()


def test_a_file_that_is_no_socket_is_refused_and_stays(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(NotNow, match="something else is there"), listening_socket(path):
        pass
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(NotNow, match=r"cannot listen at .*choose another --socket"),
        listening_socket(tmp_path / ("x" * 100) / "runsd.sock"),
    ):
        pass


def test_the_socket_of_an_heir_is_not_removed_at_the_end(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as heir:
        with listening_socket(path):
            path.unlink()
            heir.bind(str(path))
            heir.listen()
        assert answers(path)


def test_a_killed_daemon_is_followed_by_the_next_at_the_same_place(tmp_path: Path, engine_host: str) -> None:
    with ready(tmp_path, engine_host) as process:
        process.kill()
        process.wait(PATIENCE_S)
    left = tmp_path / "runsd.sock"
    assert left.is_socket()
    (tmp_path / "notify").unlink()
    with ready(tmp_path, engine_host):
        assert answers(left)
    assert not left.exists()


def test_a_second_daemon_says_why_it_does_not_start(tmp_path: Path, engine_host: str) -> None:
    where = {"--socket": tmp_path / "runsd.sock", "--data-dir": tmp_path / "data"}
    with ready(tmp_path, engine_host):
        for option, reason in (("--data-dir", "another daemon answers"), ("--socket", "another runsd holds")):
            elsewhere = where | {option: tmp_path / "other"}
            refused = run("serve", *(word for pair in elsewhere.items() for word in pair))
            assert refused.returncode == 1
            assert reason in refused.stderr
            assert "Traceback" not in refused.stderr


def answers(path: Path) -> bool:
    """Say whether somebody listens."""
    with socket.socket(socket.AF_UNIX) as visitor:
        return visitor.connect_ex(str(path)) == 0
