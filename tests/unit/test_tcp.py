"""The TCP listener: whose its address is, what is said when it is another's, and when somebody gets in."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from runsd_sdk.key import KeySpec

from runsd.config import TcpSettings
from runsd.errors import NotNow
from runsd.signals import Signals
from runsd.store.keys import Keys
from runsd.tcp import Door, Listener
from tests.store.desk import PROJECT, open_desk


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


async def test_it_listens_while_there_is_a_key_and_takes_no_more_than_a_gate_does(tmp_path: Path) -> None:
    async with open_desk(tmp_path / "runsd.db") as desk, ready() as runner:
        keys = await Keys.load(desk.db, clock=desk.hands.now, new_id=lambda kind: f"{kind}_{'0' * 26}")
        with taken("127.0.0.1:0") as door:
            listener = Listener(runner, door, keys, settings=TcpSettings(), signals=Signals())
            for _ in range(2):  # it opens again as it did first
                await listener.look()
                with pytest.raises(ConnectionRefusedError):
                    await said(door, b"")
                key = await keys.create(PROJECT, KeySpec(name="laptop"))
                await listener.look()
                answer = await said(door, b"no http at all\r\n\r\n")
                assert b"application/problem+json" in answer  # as the gate has it, not as aiohttp does
                await keys.delete(PROJECT, key.id)
            await listener.look()
            with pytest.raises(ConnectionRefusedError):
                await said(door, b"")


@asynccontextmanager
async def ready() -> AsyncIterator[web.AppRunner]:
    """Run an application that answers nothing."""
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    yield runner
    await runner.cleanup()


async def said(door: Door, sent: bytes) -> bytes:
    """Return all that is answered."""
    reader, writer = await asyncio.open_connection(door.host, door.port)
    with closing(writer):
        writer.write(sent)
        return await reader.read()
