"""Files of a container as tar archives: put in as a stream, taken out one by one, no larger than allowed."""

import asyncio
import base64
import io
import json
import re
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path

from runsd.engine import layer
from runsd.engine.transport import Transport, quoted
from runsd.errors import EngineNotFound, EngineRefused, EngineUnavailable

_PIECE_BYTES = 1024 * 1024
_STAT = "X-Docker-Container-Path-Stat"
_NO_FOLDER = re.compile(r"not a directory|too many (levels of symbolic )?links|file name too long")
# Go's fs.ModeType: directory, link, pipe, socket, device, character device, or irregular.
_NOT_A_FILE = 0x8F280000


async def put(transport: Transport, container: str, folder: str, archive: AsyncIterator[bytes]) -> None:
    """Unpack an archive in a folder of a container. What reading the archive raises is raised as it is."""
    failed: list[BaseException] = []

    async def passed_on() -> AsyncIterator[bytes]:
        try:
            async for chunk in archive:
                yield chunk
        except BaseException as failure:
            failed.append(failure)
            raise

    try:
        async with transport.stream(
            "PUT",
            f"/containers/{quoted(container)}/archive",
            query={"path": folder},
            headers={"Content-Type": "application/x-tar"},
            body=passed_on(),
            answer_timeout_s=None,
        ) as chunks:
            async for _ in chunks:
                pass
    except Exception:
        if failed:
            raise failed[0] from None
        raise


async def take(transport: Transport, container: str, path: str, *, most_bytes: int) -> bytes | None:
    """Return a file of a container; None when no ordinary file is there, or a larger one."""
    try:
        async with aclosing(_content(transport, container, path, most_bytes)) as pieces:
            return b"".join([piece async for piece in pieces])
    except _NoFileError:
        return None


async def copy(transport: Transport, container: str, path: str, goal: Path, *, most_bytes: int) -> bool:
    """Write a file of a container to this host; False when no ordinary file is there, or a larger one."""
    try:
        async with aclosing(_content(transport, container, path, most_bytes)) as pieces:
            first = await anext(pieces, b"")
            with goal.open("wb") as copied:
                await asyncio.to_thread(copied.write, first)
                async for piece in pieces:
                    await asyncio.to_thread(copied.write, piece)
    except _NoFileError:
        return False
    return True


class _NoFileError(Exception):
    """There is no ordinary file in that place, or a larger one."""


async def _content(transport: Transport, container: str, path: str, most_bytes: int) -> AsyncGenerator[bytes]:
    """Walk the content of a file, at least one piece. Raises _NoFileError."""
    try:
        nowhere = True
        if transport.is_local and (folder := await _upper(transport, container)) is not None:
            pieces = layer.pieces(folder, path, most_bytes=most_bytes)
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                nowhere = False
                yield piece
        if nowhere:
            async with aclosing(_unpacked(transport, container, path, most_bytes)) as unpacked:
                async for piece in unpacked:
                    yield piece
    except EngineNotFound as missing:
        raise _NoFileError from missing
    except EngineRefused as refusal:
        if _NO_FOLDER.search(str(refusal)):
            raise _NoFileError from refusal
        raise
    except OSError as failure:  # a disk that cannot be read
        raise EngineUnavailable(f"cannot read {path} of container {container}: {failure}") from failure


async def _upper(transport: Transport, container: str) -> str | None:
    return layer.upper(await transport.json("GET", f"/containers/{quoted(container)}/json"))


async def _unpacked(
    transport: Transport, container: str, path: str, most_bytes: int
) -> AsyncGenerator[bytes]:
    """Walk a file of the archive that the Engine makes of it."""
    at, query = f"/containers/{quoted(container)}/archive", {"path": path}
    if not await _is_taken(transport, at, query, most_bytes):
        raise _NoFileError
    async with transport.stream("GET", at, query=query) as chunks, aclosing(_pieces(chunks)) as pieces:
        size, begin = _only_file(await anext(pieces, b""))
        if size > most_bytes:
            raise _NoFileError
        yield begin
        left = size - len(begin)
        async for piece in pieces:
            yield piece[:left]
            left -= min(left, len(piece))
    if left:
        raise EngineUnavailable(f"cannot read {path} of container {container} to its end")


async def _is_taken(transport: Transport, at: str, query: Mapping[str, str], most_bytes: int) -> bool:
    """Say whether an ordinary file is there, of a size that may be taken.

    To be told that there is none costs a millisecond this way, and 30 by GET. Of a terabyte that is nothing
    but a hole the Engine would make an archive for hours, and keep the container meanwhile.
    """
    try:
        about = json.loads(base64.b64decode((await transport.headers(at, query=query)).get(_STAT) or ""))
        return not about["mode"] & _NOT_A_FILE and 0 <= about["size"] <= most_bytes
    except EngineRefused:
        return True  # it has no words in an answer to HEAD
    except (ValueError, KeyError, TypeError):
        return False


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Walk pieces of some size; the first one has the whole of what stands before a file's content."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _only_file(archive: bytes) -> tuple[int, bytes]:
    """Return the size of the first file of an archive that begins so, and as much as there is of it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as members:
            member = members.next()
    except tarfile.TarError as failure:
        raise _NoFileError from failure
    if member is None or not member.isreg():
        raise _NoFileError
    return member.size, archive[member.offset_data : member.offset_data + member.size]
