"""Errors mapped once; a network that breaks is a local server that cuts the line at a chosen place."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import docker
import pytest

from runsd.engine.docker import DockerEngine
from runsd.engine.port import Confinement
from runsd.engine.transport import Transport
from runsd.errors import EngineConflict, EngineNotFound, EngineRefused, EngineUnavailable, Refused
from tests.engine.conftest import RequestOf

Line = Callable[[bytes], AbstractAsyncContextManager[Transport]]

VERSION = json.dumps({"Version": "20.10", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})
BROKEN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
# How many calls an Engine answers on one connection before it ends while it is asked.
_MOST_CALLS = 2
WHOLE_CHUNKS = BROKEN_CHUNKS + b"0\r\n\r\n"


def answer(body: str, *, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


@pytest.fixture
async def transport(engine_host: str) -> AsyncIterator[Transport]:
    transport = Transport(engine_host)
    yield transport
    await transport.close()


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """Answer every call but that for the version with given bytes, then cut the connection."""

    @asynccontextmanager
    async def serving(sent: bytes, version: str = VERSION) -> AsyncIterator[Transport]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(version) if b" /version " in head else sent)
            writer.close()
            await writer.wait_closed()

        transport = Transport(f"unix://{tmp_path}/engine.sock")
        async with await asyncio.start_unix_server(handle, tmp_path / "engine.sock"):
            yield transport
            await transport.close()

    return serving


async def test_the_engines_answers_are_mapped_by_status_with_its_own_sentence(
    transport: Transport, busybox_image: str
) -> None:
    with pytest.raises(EngineNotFound, match="No such container: runsd-test-none") as failure:
        await transport.json("GET", "/containers/runsd-test-none/json")
    assert failure.value.status == 404
    with pytest.raises(EngineRefused, match=r"Invalid container name \(no/name\)") as refusal:
        await transport.json(
            "POST", "/containers/create", query={"name": "no/name"}, body={"Image": busybox_image}
        )
    assert refusal.value.status == 400


async def test_a_conflict_and_a_state_already_reached(
    engine: DockerEngine, transport: Transport, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sleep", "60"))
    with pytest.raises(EngineConflict, match="is not running") as failure:
        await transport.json("POST", f"/containers/{container}/kill")
    assert failure.value.status == 409
    await engine.start(container)
    assert await transport.json("POST", f"/containers/{container}/start") is None  # 304


async def test_the_version_is_agreed_on(transport: Transport, eye: docker.DockerClient) -> None:
    offered = eye.version()["ApiVersion"]
    agreed = await transport.api_version()
    assert [int(part) for part in agreed.split(".")] == min(
        [int(part) for part in offered.split(".")], [1, 47]
    )


@pytest.mark.parametrize(
    ("version", "agreed"),
    [
        ({"ApiVersion": "1.41", "MinAPIVersion": "1.12"}, "1.41"),
        ({"ApiVersion": "1.52", "MinAPIVersion": "1.44"}, "1.47"),
        ({"ApiVersion": "1.40", "MinAPIVersion": "1.12"}, None),
        ({"ApiVersion": "1.60", "MinAPIVersion": "1.48"}, None),
    ],
)
async def test_engines_too_old_or_too_new_are_refused(
    line: Callable[[bytes, str], AbstractAsyncContextManager[Transport]],
    version: dict[str, str],
    agreed: str | None,
) -> None:
    async with line(b"", json.dumps(version)) as transport:
        if agreed is not None:
            assert await transport.api_version() == agreed
        else:
            with pytest.raises(EngineRefused, match="cannot use Docker Engine"):
                await transport.json("GET", "/info")


@pytest.mark.parametrize(
    "host", ["unix:///run/runsd-test-none.sock", "tcp://127.0.0.1:1", "http://127.0.0.1:1"]
)
async def test_nobody_there_is_unavailable(host: str) -> None:
    transport = Transport(host)
    with pytest.raises(EngineUnavailable, match="cannot use the Docker Engine at"):
        await transport.json("GET", "/info")
    with pytest.raises(EngineUnavailable):
        async with transport.stream("GET", "/events"):
            pass
    await transport.close()


@pytest.mark.parametrize("host", ["", "/var/run/docker.sock", "ssh://host", "unix://", "tcp://"])
async def test_an_address_that_is_none_is_refused_at_once(host: str) -> None:
    with pytest.raises(Refused, match="write unix:///path"):
        Transport(host)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        BROKEN_CHUNKS,
        b"not HTTP at all\r\n\r\n",
        answer('{"half": '),
        answer('{"message": "gone"}', status="500 No")[:-3],
    ],
    ids=["nothing", "short body", "broken chunks", "no HTTP", "half JSON", "short error"],
)
async def test_an_answer_that_breaks_off_is_unavailable(line: Line, sent: bytes) -> None:
    async with line(sent) as transport:
        with pytest.raises(EngineUnavailable):
            await transport.json("GET", "/info")


async def test_a_stream_that_breaks_is_never_its_end(line: Line) -> None:
    async with line(WHOLE_CHUNKS) as transport, transport.stream("GET", "/events") as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"hello"


async def test_a_stream_that_breaks_raises_after_what_came(line: Line) -> None:
    got = b""
    async with line(BROKEN_CHUNKS) as transport:
        with pytest.raises(EngineUnavailable, match="broke off"):
            async with transport.stream("GET", "/events") as chunks:
                async for chunk in chunks:
                    got += chunk
    assert got == b"hello"


async def test_a_wait_whose_answer_breaks_is_no_exit(line: Line) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for sent in (head, head + b"0\r\n\r\n", head + b'c\r\n{"StatusCode\r\n0\r\n\r\n'):
        async with line(sent) as transport:
            with pytest.raises(EngineUnavailable):
                await DockerEngine(transport, Confinement()).wait("some")


async def test_a_log_cut_inside_a_frame_is_no_end(line: Line) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    cut = b"\1\0\0\0\0\0\0\5ab"
    async with line(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(cut), cut)) as transport:
        with pytest.raises(EngineUnavailable, match="cut"):
            async with DockerEngine(transport, Confinement()).logs("some", follow=True) as pieces:
                [piece async for piece in pieces]


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """A server that answers for the version only, and tells of each other call's coming and going."""
    called, hung_up = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b" /version " in await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer(VERSION))
        else:
            called.set()
            await reader.read()
            hung_up.set()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(handle, tmp_path / "silent.sock"):
        yield f"unix://{tmp_path}/silent.sock", called, hung_up


async def test_an_engine_that_never_answers_is_unavailable_in_time(
    silent: tuple[str, asyncio.Event, asyncio.Event],
) -> None:
    transport, begun = Transport(silent[0]), time.monotonic()
    with pytest.raises(EngineUnavailable, match=r"no answer in 0\.2 s"):
        await transport.json("GET", "/info", timeout_s=0.2)
    with pytest.raises(EngineUnavailable, match=r"no answer in 0\.2 s"):
        async with transport.stream("GET", "/info", answer_timeout_s=0.2):
            pass
    assert time.monotonic() - begun < 5
    await asyncio.wait_for(silent[2].wait(), 5)
    await transport.close()


@pytest.mark.parametrize("kind", ["json", "stream"])
async def test_cancelling_a_call_closes_its_connection(
    silent: tuple[str, asyncio.Event, asyncio.Event], kind: str
) -> None:
    host, called, hung_up = silent
    transport = Transport(host)

    async def call() -> None:
        if kind == "json":
            await transport.json("GET", "/info")
        else:
            async with transport.stream("GET", "/events"):
                pass

    task = asyncio.create_task(call())
    await asyncio.wait_for(called.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(hung_up.wait(), 5)
    await transport.close()


async def test_many_open_streams_do_not_starve_a_call(engine: DockerEngine, request_of: RequestOf) -> None:
    container = await engine.create(request_of("sleep", "60"))
    await engine.start(container)
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(engine.wait(container)) for _ in range(150)]
        await asyncio.wait_for(engine.ping(), 10)
        await engine.kill(container, "SIGKILL")
    assert all(wait.done() for wait in waits)


async def test_a_connection_is_kept_for_the_next_call_and_let_go_of_when_the_engine_ends(
    tmp_path: Path,
) -> None:
    served: list[list[str]] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append([])
        while head := await _head(reader):
            served[-1].append(head.split(b" ", 1)[0].decode())
            if len(served[-1]) > _MOST_CALLS:
                break
            writer.write(answer("{}"))
            if gone.is_set():
                break
        writer.close()
        await writer.wait_closed()

    transport = Transport(f"unix://{tmp_path}/engine.sock")
    async with await asyncio.start_unix_server(serve, tmp_path / "engine.sock"):
        for method in ("GET", "POST", "GET"):  # the last one is asked again
            assert await transport.json(method, "/x", versioned=False) == {}
        with pytest.raises(EngineUnavailable):  # and this one is not: nobody knows what became of it
            for _ in range(_MOST_CALLS):
                await transport.json("POST", "/x", versioned=False)
        gone.set()
        for _ in range(3):
            assert await transport.json("POST", "/x", versioned=False) == {}
            await asyncio.sleep(0.01)
        await transport.close()
    assert served == [["GET", "POST", "GET"], ["GET", "POST", "POST"], ["POST"], ["POST"], ["POST"]]


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
