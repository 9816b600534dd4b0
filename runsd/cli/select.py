"""Which run a person means: an id, a unique beginning of one, a name, or ``@last``."""

import re
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runsd_sdk import Run, RunsClient

_WHOLE = re.compile(r"run_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)
_BEGINNING = re.compile(r"(run_)?[0-9a-z]{1,26}", re.ASCII)
COMPLETION_S = 1.0


def run_id(client: "RunsClient", text: str) -> str:
    """Return the id of the run that is meant. Raises NotFound, or Conflict for a beginning of several.

    A name that several runs have means the newest of them.
    """
    if _WHOLE.fullmatch(text):
        return text
    if text == "@last":
        return _newest(client)
    if named := client.list(name=text, limit=1).data:
        return named[0].id
    if _BEGINNING.fullmatch(text):
        return _by_beginning(client, text)
    raise _no(404, f"cannot find a run named {text!r}; see runs ps -a")


def complete(incomplete: str) -> list[str]:
    """Return ids and names that begin so, for the shell; nothing when the daemon does not answer quickly."""
    return _completed(incomplete, lambda client: _words(client.list(limit=100).data))


def complete_volume(incomplete: str) -> list[str]:
    """Return names of volumes that begin so, for the shell; nothing when the daemon is slow."""
    return _completed(incomplete, lambda client: (volume.name for volume in client.volumes.list()))


def complete_secret(incomplete: str) -> list[str]:
    """Return names of secrets that begin so, for the shell; nothing when the daemon is slow."""
    return _completed(incomplete, lambda client: (secret.name for secret in client.secrets.list()))


def complete_webhook(incomplete: str) -> list[str]:
    """Return ids of webhooks that begin so, for the shell; nothing when the daemon is slow."""
    return _completed(incomplete, lambda client: (webhook.id for webhook in client.webhooks.list()))


def complete_task(incomplete: str) -> list[str]:
    """Return names of tasks that begin so, for the shell; nothing when the daemon is slow."""
    return _completed(incomplete, lambda client: (task.name for task in client.tasks.list()))


def _completed(incomplete: str, words: "Callable[[RunsClient], Iterable[str]]") -> list[str]:
    from runsd_sdk import RunsClient, RunsdError

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, COMPLETION_S)
    try:
        with RunsClient(patience_seconds=0) as client:
            return [word for word in words(client) if word.startswith(incomplete)]
    except (RunsdError, TimeoutError):
        return []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _newest(client: "RunsClient") -> str:
    runs = client.list(limit=1).data
    if not runs:
        raise _no(404, "cannot find @last: there are no runs yet")
    return runs[0].id


def _by_beginning(client: "RunsClient", text: str) -> str:
    beginning = text if text.startswith("run_") else f"run_{text}"
    # Newest first: the next runs before whatever begins so are those that do, if any do.
    before = client.list(cursor=f"{beginning}~", limit=2).data
    found = [run.id for run in before if run.id.startswith(beginning)]
    if not found:
        raise _no(404, f"cannot find a run whose id or name is or begins with {text!r}; see runs ps -a")
    if len(found) > 1:
        raise _no(409, f"cannot tell which run {text!r} means, for several ids begin so; write more of it")
    return found[0]


def _words(runs: "list[Run]") -> Iterator[str]:
    yield "@last"
    yield from (run.id for run in runs)
    yield from sorted({run.name for run in runs if run.name})


def _no(status: int, detail: str) -> Exception:
    from runsd_sdk import Problem
    from runsd_sdk.errors import STATUS_ERRORS

    return STATUS_ERRORS[status](Problem(title="No such run", status=status, detail=detail, code="run"))
