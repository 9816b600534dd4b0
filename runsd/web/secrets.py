"""The list of secrets: names, never values."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from runsd_sdk.host import SecretList
from runsd_sdk.task import Task, TaskList

from runsd.api import secrets, tasks
from runsd.api.call import Call
from runsd.web.page import Shown, ask


async def index(call: Call) -> Shown:
    """Show the names of all secrets, and which tasks use them."""
    found = await ask(call, secrets.page, SecretList)
    kept = await ask(call, tasks.page, TaskList)
    return Shown("secrets.html", {"secrets": found.data, "users": _users(kept.data)})


def _users(tasks: Sequence[Task]) -> Mapping[str, list[Task]]:
    users = defaultdict(list)
    for task in tasks:
        for name in dict.fromkeys(_named(task)):
            users[name].append(task)
    return users


def _named(task: Task) -> Iterator[str]:
    yield from task.spec.secret_names
    if task.webhook is not None and task.webhook.secret is not None:
        yield task.webhook.secret
