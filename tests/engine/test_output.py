"""Every byte of output: live by attach, afterwards from the Engine's own log."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from runsd.engine.docker import DockerEngine
from runsd.engine.frames import Piece
from runsd.engine.port import Stream
from runsd.errors import EngineNotFound
from tests.engine.conftest import RequestOf

BOTH = {Stream.STDOUT: b"out\n", Stream.STDERR: b"err\n"}


async def collected(pieces: AsyncIterator[Piece]) -> dict[Stream, bytes]:
    got: dict[Stream, list[bytes]] = {}
    async for stream, data in pieces:
        got.setdefault(stream, []).append(data)
    return {stream: b"".join(parts) for stream, parts in got.items()}


async def test_attach_before_start_misses_nothing_of_an_instant_exit(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    for _ in range(10):
        container = await engine.create(request_of("sh", "-c", "echo out; echo err >&2"))
        async with engine.attach(container) as pieces:
            await engine.start(container)
            assert await asyncio.wait_for(collected(pieces), 20) == BOTH
        async with engine.logs(container, follow=True) as pieces:
            assert await asyncio.wait_for(collected(pieces), 20) == BOTH
        await engine.remove(container)


async def test_attach_and_log_give_the_exact_bytes(engine: DockerEngine, request_of: RequestOf) -> None:
    script = r"printf 'a\0b\r50%%\r100%%'; head -c 1048576 /dev/zero | tr '\0' x; printf 'no final newline'"
    sent = b"a\0b\r50%\r100%" + b"x" * 1048576 + b"no final newline"
    container = await engine.create(request_of("sh", "-c", script))
    async with engine.attach(container) as pieces:
        await engine.start(container)
        assert (await collected(pieces))[Stream.STDOUT] == sent
    await engine.wait(container)
    async with engine.logs(container, follow=False) as pieces:
        assert (await collected(pieces))[Stream.STDOUT] == sent


async def test_a_followed_log_ends_with_the_container(engine: DockerEngine, request_of: RequestOf) -> None:
    container = await engine.create(request_of("sh", "-c", "echo begun; sleep 60"))
    await engine.start(container)
    async with engine.logs(container, follow=True) as pieces:
        assert await anext(pieces) == (Stream.STDOUT, b"begun\n")
        await engine.kill(container, "SIGKILL")
        assert await asyncio.wait_for(collected(pieces), 10) == {}


async def test_a_log_that_is_not_followed_ends_while_the_container_runs(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sh", "-c", "echo begun; sleep 60"))
    async with engine.attach(container) as live:
        await engine.start(container)
        await anext(live)
    async with engine.logs(container, follow=False) as pieces:
        assert await asyncio.wait_for(collected(pieces), 10) == {Stream.STDOUT: b"begun\n"}


async def test_a_slow_reader_gets_everything(engine: DockerEngine, request_of: RequestOf) -> None:
    size = 16 * 1024**2
    container = await engine.create(request_of("sh", "-c", f"yes 0123456789 | head -c {size}"))
    digest, total = hashlib.sha256(), 0
    async with engine.attach(container) as pieces:
        await engine.start(container)
        with pytest.raises(TimeoutError):  # its writes stall once the buffers between are full
            await asyncio.wait_for(engine.wait(container), 1)
        async for _, data in pieces:
            digest.update(data)
            total += len(data)
    assert total == size
    assert digest.digest() == hashlib.sha256((b"0123456789\n" * (size // 11 + 1))[:size]).digest()


async def test_leaving_an_attach_early_does_not_disturb_the_container(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("sh", "-c", "echo first; sleep 0.2; echo last"))
    async with engine.attach(container) as pieces:
        await engine.start(container)
        assert await anext(pieces) == (Stream.STDOUT, b"first\n")
    await engine.wait(container)
    async with engine.logs(container, follow=False) as pieces:
        assert await collected(pieces) == {Stream.STDOUT: b"first\nlast\n"}


@pytest.mark.parametrize("follow", [False, True])
async def test_output_of_a_container_that_is_gone_is_not_found(engine: DockerEngine, follow: bool) -> None:
    with pytest.raises(EngineNotFound):
        async with engine.attach("runsd-test-none"):
            pass
    with pytest.raises(EngineNotFound):
        async with engine.logs("runsd-test-none", follow=follow):
            pass
