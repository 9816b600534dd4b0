"""Where the client looks for the daemon."""

from pathlib import Path

import pytest
from runsd_sdk.address import SYSTEM_SOCKET, find
from runsd_sdk.errors import InvalidAddress


def test_the_users_own_socket_comes_before_the_systems(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert find(environ=environ).socket == SYSTEM_SOCKET
    own = tmp_path / "runsd" / "runsd.sock"
    own.parent.mkdir()
    own.touch()
    assert find(environ=environ).socket == str(own)


def test_the_variable_comes_before_the_sockets_and_the_argument_before_the_variable() -> None:
    environ = {"RUNSD_HOST": "unix:///a.sock"}
    assert find(environ=environ).socket == "/a.sock"
    assert find("unix:///b.sock", environ=environ).socket == "/b.sock"
    assert find("/c.sock", environ=environ).socket == "/c.sock"


def test_an_http_address_has_no_socket() -> None:
    address = find("http://host:7070/", environ={})
    assert (address.socket, address.base_url, address.name) == (None, "http://host:7070", "http://host:7070")


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
