"""The Engine's record of any output is what runsd counts with."""

import io
import random
import tarfile

import docker
import pytest

from runsd.engine.docker import DockerEngine
from runsd.engine.port import Stream
from runsd.logs.record import CUT_BYTES, Recorder
from tests.engine.conftest import RequestOf

SIZES = [0, 1, 100, 5000, *range(CUT_BYTES - 4, CUT_BYTES + 5), 2 * CUT_BYTES, 40_000]
KINDS = [bytes(range(256)), b"\xe2\x82\xac\xf0\x9f\x98\x80x", b"x"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_lines_are_cut_and_bytes_replaced_as_they_are_counted(
    engine: DockerEngine, request_of: RequestOf, eye: docker.DockerClient, seed: int
) -> None:
    written = output(random.Random(seed))
    container = await engine.create(request_of("cat", "/written"))
    assert eye.containers.get(container).put_archive("/", archive("written", written))
    await engine.start(container)
    await engine.wait(container)
    async with engine.logs(container, follow=False) as pieces:
        kept = b"".join([data async for stream, data in pieces if stream is Stream.STDOUT])
    recorder = Recorder()
    counted = [recorder.feed(written[at : at + 10_007]) for at in range(0, len(written), 10_007)]
    assert kept == b"".join(counted) + recorder.finish()
    assert kept != written


async def test_inspection_says_when_a_file_of_the_record_is_full(
    engine: DockerEngine, request_of: RequestOf
) -> None:
    container = await engine.create(request_of("true", log_max_bytes=3_000_000))
    facts = await engine.inspect(container)
    assert facts is not None
    assert facts.log_file_bytes == 6_000_000


def output(chance: random.Random) -> bytes:
    """Return lines of all lengths around a cut: characters, parts of characters, any bytes."""
    lines = []
    for _ in range(60):
        size = chance.choice(SIZES)
        lines.append(bytes(chance.choices(chance.choice(KINDS), k=size)))
        lines.append("".join(chance.choices("aé€😀", k=chance.choice(SIZES))).encode())
        lines.append(b"\n" * chance.choice([0, 1, 1, 2]))
    return b"".join(lines)


def archive(name: str, data: bytes) -> bytes:
    """Return a tar of one file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return made.getvalue()
