"""The address of the TCP listener: whose it is, and what is said when it is another's."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from runsd.errors import NotNow
from runsd.tcp import Door


@contextmanager
def taken(address: str) -> Iterator[Door]:
    door = Door.at(address)
    try:
        yield door
    finally:
        door.leave()


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:0", True),
        ("127.9.9.9:0", True),
        ("localhost:0", True),
        ("0.0.0.0:0", False),
    ],
)
def test_an_address_is_ours_and_nobody_gets_in_before_it_is_listened_at(address: str, *, local: bool) -> None:
    with taken(address) as door:
        assert door.port != 0
        assert (door.is_local, door.name) == (local, address.replace(":0", f":{door.port}"))
        assert door.take() is door.take()
        with socket.socket(door.take().family) as client, pytest.raises(ConnectionRefusedError):
            client.connect(door.take().getsockname())


def test_the_same_port_is_taken_again() -> None:
    with taken("127.0.0.1:0") as door:
        port = door.port
        door.take().listen()
        door.leave()
        door.take()
        assert door.port == port


def test_an_address_that_others_have_is_named() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(NotNow, match=f"cannot listen at 127.0.0.1:{port}: .*; choose another --listen"):
            Door.at(f"127.0.0.1:{port}")
    with pytest.raises(NotNow, match="cannot listen at"):
        Door.at("192.0.2.1:0")  # RFC 5737: nobody's
