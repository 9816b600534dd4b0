"""Files of a container as tar archives: put in as a stream, taken out one by one, no larger than allowed."""

import asyncio
import base64
import io
import json
import re
import tarfile
from collections.abc import AsyncIterator
from contextlib import suppress

from runsd.engine import layer
from runsd.engine.transport import Transport, quoted
from runsd.errors import EngineNotFound, EngineRefused

# The archive of one file has a header, perhaps an extended one before it, and padding behind it.
_AROUND_BYTES = 64 * 1024
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
        # To be told that there is none costs a millisecond this way, and 30 by GET. Of a terabyte that is
        # nothing but a hole the Engine would make an archive for hours, and keep the container meanwhile.
        with suppress(EngineRefused):  # which has no words in an answer to HEAD
            if not _is_taken((await transport.headers(at, query=query)).get(_STAT), most_bytes):
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


def _is_taken(stat: str | None, most_bytes: int) -> bool:
    try:
        about = json.loads(base64.b64decode(stat or ""))
        return not about["mode"] & _NOT_A_FILE and 0 <= about["size"] <= most_bytes
    except (ValueError, KeyError, TypeError):
        return False


async def _upper(transport: Transport, container: str) -> str | None:
    return layer.upper(await transport.json("GET", f"/containers/{quoted(container)}/json"))


def _only_file(archive: bytes, most_bytes: int) -> bytes | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as members:
            member = members.next()
            if member is None or not member.isreg():
                return None
            begin = member.offset_data
    except tarfile.TarError:
        return None
    return archive[begin : begin + min(member.size, most_bytes)]
