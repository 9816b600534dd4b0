"""What came to a hook, on its way into the container of its run: files, and variables of what is small."""

import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping

from runsd_sdk.run import Reason

from runsd.errors import EngineRefused
from runsd.run import Outcome
from runsd.supervise.tools import NotStarted, Tools

FOLDER = "/run/runsd"
_BODY, _HEADERS = "webhook.json", "webhook-headers.json"
VARIABLE, HEADERS_VARIABLE = "RUNSD_WEBHOOK_BODY", "RUNSD_WEBHOOK_HEADERS"
# All variables and arguments of a program share a few MiB, and one has at most 128 KiB: execve(2).
_MOST_BYTES = 32 * 1024


async def variables(tools: Tools, run_id: str) -> dict[str, str]:
    """Return the variables that hold it: the body, if it is small and is text, and the headers."""
    came = await tools.payloads.of_run(run_id)
    found = {HEADERS_VARIABLE: json.dumps(dict(came.headers))}
    try:
        text = came.body.decode()
    except UnicodeDecodeError:
        return found
    return found | ({VARIABLE: text} if len(came.body) <= _MOST_BYTES and "\0" not in text else {})


async def put(tools: Tools, run_id: str, container: str) -> None:
    """Put it into a container that was not started; once more does no harm. Raises NotStarted."""
    came = await tools.payloads.of_run(run_id)
    files = {_BODY: came.body, _HEADERS: json.dumps(dict(came.headers)).encode()}
    # Where the container's root is read-only the folder is a volume, and is there already.
    above = FOLDER if tools.read_only else "/"
    try:
        await tools.engine.put_files(container, above, _archive(files, above))
    except EngineRefused as failure:
        said = f"cannot put what came to the hook into {FOLDER}: {failure}"
        raise NotStarted(Outcome(Reason.START_FAILED, said)) from failure


async def _archive(files: Mapping[str, bytes], above: str) -> AsyncIterator[bytes]:
    content, within = io.BytesIO(), ""
    with tarfile.open(fileobj=content, mode="w") as tar:
        if above != FOLDER:
            folder = tarfile.TarInfo(FOLDER.lstrip("/"))
            folder.type, folder.mode, within = tarfile.DIRTYPE, 0o755, f"{folder.name}/"
            tar.addfile(folder)
        for name, body in files.items():
            file = tarfile.TarInfo(f"{within}{name}")
            file.size, file.mode = len(body), 0o444
            tar.addfile(file, io.BytesIO(body))
    yield content.getvalue()
