"""Where the client looks for the daemon."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from runsd_sdk import AsyncRunsClient, RunsClient, address
from runsd_sdk.address import find
from runsd_sdk.errors import InvalidAddress

from runsd import places


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a system's daemon would listen; none does."""
    path = tmp_path / "system.sock"
    monkeypatch.setattr(address, "SYSTEM_SOCKET", str(path))
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Where a user's daemon would listen; none does."""
    path = tmp_path / "runsd" / "runsd.sock"
    path.parent.mkdir()
    return path


def found(tmp_path: Path) -> str | None:
    return find(environ={"XDG_RUNTIME_DIR": str(tmp_path)}).socket


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen as a daemon does, and leave the file behind as a killed one does."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


def test_the_users_own_socket_comes_before_the_systems(tmp_path: Path, own: Path, system: Path) -> None:
    assert found(tmp_path) == str(system), "there is none at all"
    with listening(system):
        assert found(tmp_path) == str(system)
        with listening(own):
            assert found(tmp_path) == str(own)


def test_what_a_killed_daemon_left_hides_no_daemon_that_lives(
    tmp_path: Path, own: Path, system: Path
) -> None:
    with listening(own):
        pass
    assert found(tmp_path) == str(own), "its next start is waited for there"
    with listening(system):
        assert found(tmp_path) == str(system)
    assert found(tmp_path) == str(own), "nobody listens anywhere"


def test_a_daemon_too_busy_to_take_the_probe_is_still_there(tmp_path: Path, own: Path, system: Path) -> None:
    with listening(system), listening(own) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.listen(0)
        first.connect(str(own))
        assert found(tmp_path) == str(own)


@pytest.mark.parametrize("runtime", [None, "", "/run/elsewhere"])
def test_client_and_daemon_mean_the_same_place(runtime: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    if runtime is not None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    here = str(places.default_socket())
    monkeypatch.setattr(os.path, "exists", lambda path: path == here)
    environ = {} if runtime is None else {"XDG_RUNTIME_DIR": runtime}
    assert find(environ=environ).socket == here
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert str(places.default_socket()) == address.SYSTEM_SOCKET


def test_the_variable_comes_before_the_sockets_and_the_argument_before_the_variable() -> None:
    environ = {"RUNSD_HOST": "unix:///a.sock"}
    assert find(environ=environ).socket == "/a.sock"
    assert find("unix:///b.sock", environ=environ).socket == "/b.sock"
    assert find("/c.sock", environ=environ).socket == "/c.sock"


def test_an_http_address_has_no_socket() -> None:
    place = find("http://host:7070/", environ={})
    assert (place.socket, place.base_url, place.name) == (None, "http://host:7070", "http://host:7070")


def test_key_and_project_become_headers() -> None:
    environ = {"RUNSD_API_KEY": "k", "RUNSD_PROJECT": "p"}
    assert find(environ=environ).headers == {"Authorization": "Bearer k", "Runsd-Project": "p"}
    own = find(api_key="own", project="mine", environ=environ)
    assert own.headers == {"Authorization": "Bearer own", "Runsd-Project": "mine"}
    assert find(environ={}).headers == {}


@pytest.mark.parametrize("host", ["ftp://x", "localhost:80", "unix://relative"])
def test_anything_else_is_refused_with_the_forms_that_work(host: str) -> None:
    with pytest.raises(InvalidAddress, match="unix:///"):
        find(host, environ={})


@pytest.mark.parametrize("client", [RunsClient, AsyncRunsClient])
@pytest.mark.parametrize(
    "host", ["http://host:port", "http://[::1", "http://", "https://host:70700", "nowhere"]
)
def test_an_address_that_names_no_server_is_refused_before_any_request(
    host: str, client: type[RunsClient | AsyncRunsClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNSD_HOST", host)
    with pytest.raises(InvalidAddress, match=r"write unix:///path/to\.sock or http://host:7070"):
        client()
