"""What came to a hook, on its way into the container of its run: a file, and a variable if it is small."""

import io
import tarfile
from collections.abc import AsyncIterator

from runsd_sdk.run import Reason

from runsd.errors import EngineRefused
from runsd.run import Outcome
from runsd.supervise.tools import NotStarted, Tools

FOLDER, _NAME = "/run/runsd", "webhook.json"
VARIABLE = "RUNSD_WEBHOOK_BODY"
# All variables and arguments of a program share a few MiB, and one has at most 128 KiB: execve(2).
_MOST_BYTES = 32 * 1024


async def variables(tools: Tools, run_id: str) -> dict[str, str]:
    """Return the variable that holds it, if it is small and is text."""
    body = await tools.payloads.of_run(run_id)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {}
    return {VARIABLE: text} if len(body) <= _MOST_BYTES and "\0" not in text else {}


async def put(tools: Tools, run_id: str, container: str) -> None:
    """Put it into a container that was not started; once more does no harm. Raises NotStarted."""
    body = await tools.payloads.of_run(run_id)
    # Where the container's root is read-only the folder is a volume, and is there already.
    above = FOLDER if tools.read_only else "/"
    try:
        await tools.engine.put_files(container, above, _archive(body, above))
    except EngineRefused as failure:
        said = f"cannot put what came to the hook into {FOLDER}/{_NAME}: {failure}"
        raise NotStarted(Outcome(Reason.START_FAILED, said)) from failure


async def _archive(body: bytes, above: str) -> AsyncIterator[bytes]:
    folder, file = tarfile.TarInfo(FOLDER.lstrip("/")), tarfile.TarInfo(_NAME)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    file.size, file.mode = len(body), 0o444
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        if above != FOLDER:
            tar.addfile(folder)
            file.name = f"{folder.name}/{_NAME}"
        tar.addfile(file, io.BytesIO(body))
    yield content.getvalue()
