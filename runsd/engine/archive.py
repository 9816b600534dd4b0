"""Files of a container as tar archives: put in as a stream, taken out one by one, no larger than allowed."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator

from runsd.engine import layer
from runsd.engine.transport import Transport, quoted
from runsd.errors import EngineNotFound

# The archive of one file has a header, perhaps an extended one before it, and padding behind it.
_AROUND_BYTES = 64 * 1024


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
    """Return the beginning of a file of a container, or None when no ordinary file is there."""
    archive, at, query = bytearray(), f"/containers/{quoted(container)}/archive", {"path": path}
    try:
        if transport.is_local and (folder := await _upper(transport, container)) is not None:
            found = await asyncio.to_thread(layer.read, folder, path, most_bytes=most_bytes)
            if found is not None:
                return found
        # To be told that there is none costs a millisecond this way, and 30 by GET.
        await transport.json("HEAD", at, query=query)
        async with transport.stream("GET", at, query=query) as chunks:
            async for chunk in chunks:
                archive += chunk
                if len(archive) > most_bytes + _AROUND_BYTES:
                    break
    except EngineNotFound:
        return None
    return _only_file(bytes(archive), most_bytes)


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
