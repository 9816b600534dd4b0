"""Files of a container as tar archives: put in as a stream, taken out one by one, no larger than allowed."""

import asyncio
import base64
import io
import json
import re
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from runsd.engine import layer
from runsd.engine.transport import Transport, quoted
from runsd.errors import EngineNotFound, EngineRefused, EngineUnavailable

# The archive of one file has a header, perhaps an extended one before it, and padding behind it.
_AROUND_BYTES = 64 * 1024
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
    archive, at, query = bytearray(), f"/containers/{quoted(container)}/archive", {"path": path}
    try:
        if transport.is_local and (folder := await _upper(transport, container)) is not None:
            found = await asyncio.to_thread(layer.read, folder, path, most_bytes=most_bytes)
            if found is not None:
                return found
        if not await _is_taken(transport, at, query, most_bytes):
            return None
        async with transport.stream("GET", at, query=query) as chunks:
            async for chunk in chunks:
                archive += chunk
                if len(archive) > most_bytes + _AROUND_BYTES:
                    break
    except EngineNotFound:
        return None
    except EngineRefused as refusal:
        if _NO_FOLDER.search(str(refusal)):
            return None
        raise
    return _only_file(bytes(archive), most_bytes)


async def copy(transport: Transport, container: str, path: str, goal: Path, *, most_bytes: int) -> bool:
    """Write a file of a container to this host; False when no ordinary file is there, or a larger one."""
    at, query = f"/containers/{quoted(container)}/archive", {"path": path}
    try:
        if not await _is_taken(transport, at, query, most_bytes):
            return False
        async with transport.stream("GET", at, query=query) as chunks, aclosing(_pieces(chunks)) as pieces:
            found = _file(await anext(pieces, b""))
            if found is None or found.size > most_bytes:
                return False
            left = found.size - len(found.begin)
            with goal.open("wb") as content:
                await asyncio.to_thread(content.write, found.begin)
                async for piece in pieces:
                    await asyncio.to_thread(content.write, piece[:left])
                    left -= min(left, len(piece))
    except EngineNotFound:
        return False
    except EngineRefused as refusal:
        if _NO_FOLDER.search(str(refusal)):
            return False
        raise
    if left:
        raise EngineUnavailable(f"cannot read {path} of container {container} to its end")
    return True


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


async def _upper(transport: Transport, container: str) -> str | None:
    return layer.upper(await transport.json("GET", f"/containers/{quoted(container)}/json"))


@dataclass(frozen=True, slots=True)
class _File:
    size: int
    begin: bytes


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Walk pieces of some size; the first one holds what stands before a file's content."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _only_file(archive: bytes, most_bytes: int) -> bytes | None:
    found = _file(archive)
    return None if found is None else found.begin[:most_bytes]


def _file(archive: bytes) -> _File | None:
    """Read the beginning of an archive: the size of its first file, and as much as there is of it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as members:
            member = members.next()
    except tarfile.TarError:
        return None
    if member is None or not member.isreg():
        return None
    return _File(member.size, archive[member.offset_data : member.offset_data + member.size])
