"""What a killed Engine leaves behind is recognised, and what a living one has is left alone."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import engine
import packages
import pytest


@pytest.fixture
def places(tmp_path: Path) -> engine.Places:
    return engine.Places(*(tmp_path / name for name in ("pid", "sock", "cpid", "csock", "data", "log")))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_the_pid_of_another_program_is_a_leftover(
    places: engine.Places, sleeper: subprocess.Popen[bytes]
) -> None:
    places.pid.write_text(str(sleeper.pid))
    places.containerd_pid.write_text("not a number")
    assert engine.leftovers(places) == [places.pid, places.containerd_pid]


def test_the_pid_of_the_program_itself_is_not(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    file = tmp_path / "pid"
    file.write_text(str(sleeper.pid))
    assert engine.owner(file, "sleep") == sleeper.pid
    assert engine.owner(file, "dockerd") is None


def test_a_zombie_does_not_live(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    assert Path(f"/proc/{sleeper.pid}").exists()
    assert engine.program_of(sleeper.pid) is None


def test_a_socket_without_a_listener_is_a_leftover(places: engine.Places) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(places.socket))
        listener.listen()
        assert engine.leftovers(places) == []
    assert engine.leftovers(places) == [places.socket]


def test_an_empty_place_has_no_leftovers(places: engine.Places) -> None:
    assert engine.leftovers(places) == []


def test_an_address_where_nobody_answers_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, engine.__file__],
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("cannot use the Engine at ")
    assert done.stderr.count("\n") == 1


def test_too_little_disk_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "NEEDED_BYTES", 2**80)
    with pytest.raises(packages.CannotDo):
        engine.check_disk(tmp_path / "not" / "there" / "yet")
    assert str(tmp_path) in capsys.readouterr().err
