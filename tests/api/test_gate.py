"""The gate: as many connections as there is room for, and one caller cannot take them all."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import web

from runsd.api.gate import Gate
from tests.api.tcp import made

MOST = 8
REQUEST = b"GET / HTTP/1.1\r\nHost: runsd\r\n\r\n"


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    """A gate with room for MOST; everybody may connect."""
    path = tmp_path / "gate.sock"
    tmp_path.chmod(0o711)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        async with open_gate(listener):
            yield path


@asynccontextmanager
async def open_gate(
    listener: socket.socket, *, encrypted: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Open a gate with room for MOST, behind which everybody is answered."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener.listen()
    gate = Gate(runner, listener, most=MOST, encrypted=encrypted)
    await gate.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(gate.serve())
        yield
        await runner.cleanup()


async def asked(path: Path) -> tuple[bytes, asyncio.StreamWriter]:
    """Return the status line of an answer, and the connection, still open."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(REQUEST)
    return await reader.readline(), writer


async def test_one_too_many_is_told_so_and_gets_in_when_another_leaves(path: Path) -> None:
    inside = [await asked(path) for _ in range(MOST)]
    assert {line for line, _ in inside} == {b"HTTP/1.1 200 OK\r\n"}
    reader, refused = await asyncio.open_unix_connection(path)
    said = await reader.read()
    assert said.startswith(b"HTTP/1.1 429 ")
    assert b"close some" in said
    _, leaving = inside.pop()
    leaving.close()
    await leaving.wait_closed()
    async with asyncio.timeout(30):
        while True:
            line, again = await asked(path)
            inside.append((line, again))
            if line == b"HTTP/1.1 200 OK\r\n":
                break
    for writer in (refused, *(writer for _, writer in inside)):
        writer.close()


@pytest.mark.needs("root")
async def test_a_user_who_takes_all_it_gets_leaves_room_for_the_administrator(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)  # the folders above are root's alone
    lines, taken = [], []
    for _ in range(MOST):
        reader, writer = await asyncio.open_connection(sock=connected_as(65534, path.name))
        writer.write(REQUEST)
        lines.append(await reader.readline())
        taken.append(writer)
    assert lines == [b"HTTP/1.1 200 OK\r\n"] * (MOST // 2) + [lines[-1]] * (MOST // 2)
    assert lines[-1].startswith(b"HTTP/1.1 429 ")
    for _ in range(MOST // 2):
        line, writer = await asked(path)
        assert line == b"HTTP/1.1 200 OK\r\n"
        taken.append(writer)
    for writer in taken:
        writer.close()


async def test_what_is_no_http_is_refused_as_all_else_is(path: Path) -> None:
    for sent in (b"\x16\x03\x01\x02\x00 hello\r\n\r\n", b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(sent)
        said = await reader.read()
        assert b" 400 Bad Request" in said.partition(b"\r\n")[0]
        assert b"application/problem+json" in said
        assert b"xxx" not in said
        writer.close()


async def test_an_address_that_takes_all_it_gets_leaves_room_for_others() -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        async with open_gate(listener):
            port = listener.getsockname()[1]
            answers = [await asked_from("127.0.0.2", port) for _ in range(MOST)]
            statuses = [line.split()[1] for line, _ in answers]
            assert statuses == [b"200"] * (MOST // 2) + [b"429"] * (MOST // 2)
            others = [await asked_from(f"127.0.0.{n}", port) for n in range(3, 3 + MOST // 2)]
            assert {line.split()[1] for line, _ in others} == {b"200"}
            line, refused = await asked_from("127.0.0.9", port)
            assert line.split()[1] == b"429"
            for _, writer in (*answers, *others, (line, refused)):
                writer.close()


@pytest.mark.needs("openssl")
async def test_whoever_says_nothing_instead_of_a_handshake_is_waited_for_by_nobody(tmp_path: Path) -> None:
    certificate, private_key = made(tmp_path)
    encrypted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    encrypted.load_cert_chain(certificate, private_key)
    trusting = ssl.create_default_context(cafile=certificate)
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        async with open_gate(listener, encrypted=encrypted):
            port = listener.getsockname()[1]
            silent = [await connected_from("127.0.0.2", port) for _ in range(MOST // 2)]
            line, talking = await asked_from("127.0.0.3", port, encrypted=trusting)
            assert line == b"HTTP/1.1 200 OK\r\n"
            reader, refused = await connected_from("127.0.0.2", port)
            assert await reader.read() == b""  # they count, though they have not come in yet
            for writer in (talking, refused, *(writer for _, writer in silent)):
                writer.close()


async def connected_from(
    source: str, port: int, *, encrypted: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect from one of this host's own addresses."""
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), ssl=encrypted)


async def asked_from(
    source: str, port: int, *, encrypted: ssl.SSLContext | None = None
) -> tuple[bytes, asyncio.StreamWriter]:
    """Return the status line of an answer, and the connection, still open."""
    reader, writer = await connected_from(source, port, encrypted=encrypted)
    writer.write(REQUEST)
    return await reader.readline(), writer


def connected_as(uid: int, path: str) -> socket.socket:
    """Return a connection that the other side takes for another user's."""
    made = socket.socket(socket.AF_UNIX)
    os.seteuid(uid)
    try:
        made.connect(path)
    finally:
        os.seteuid(0)
    return made
