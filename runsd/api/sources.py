"""Sources over HTTP: a tar of a working directory, sent once and used by any number of runs."""

from collections.abc import AsyncIterator
from http import HTTPStatus

from runsd_sdk.host import Source

from runsd import acts
from runsd.api.call import Call, Reply
from runsd.api.problems import Malformed
from runsd.clock import instant
from runsd.errors import NotNow
from runsd.sources.uploads import Upload
from runsd.supervise.disk import DiskWatch

TAR = "application/x-tar"
_AT_ONCE = 64 * 1024


async def create(call: Call) -> Reply:
    """Keep a source, a plain tar of a directory; the same bytes are the same source."""
    request, uploads, disk = call.request, call.services.uploads, call.services.disk
    if request.content_type != TAR:
        raise Malformed(f"send {TAR}, not {request.content_type}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if (request.content_length or 0) > uploads.max_bytes:
        raise uploads.too_large()
    arriving = _while_there_is_room(request.content.iter_chunked(_AT_ONCE), disk)
    upload = await uploads.store(call.project, arriving)
    act = acts.present()
    if upload.new and act is not None:
        acts.about(call.project, upload.id)
        await call.services.audit.add(act)
    status = HTTPStatus.CREATED if upload.new else HTTPStatus.OK
    return Reply(_source(upload), status, {"Location": f"/v1/sources/{upload.id}"})


async def get(call: Call) -> Reply:
    """Return what is known of a source."""
    return Reply(_source(await call.services.uploads.get(call.project, call.id)))


async def _while_there_is_room(chunks: AsyncIterator[bytes], disk: DiskWatch) -> AsyncIterator[bytes]:
    """Pass on what comes: however many send at once, the disk keeps its reserve."""
    async for chunk in chunks:
        if not disk.enough:
            raise NotNow(f"cannot keep a source now: {disk.message}", code="disk")
        yield chunk


def _source(upload: Upload) -> Source:
    return Source(
        id=upload.id,
        size_bytes=upload.size_bytes,
        files=upload.files,
        created_at=instant(upload.created_us),
    )
