"""What tasks are called, for pages that have their ids."""

from collections.abc import Sequence

from runsd_sdk.run import Run
from runsd_sdk.task import TaskList

from runsd.api import tasks
from runsd.api.call import Call
from runsd.web.page import ask


async def of_tasks(call: Call) -> dict[str, str]:
    """Return the names of the project's tasks by their ids; what was deleted is not among them."""
    return {task.id: task.name for task in (await ask(call, tasks.page, TaskList)).data}


async def of_tasks_of(call: Call, runs: Sequence[Run]) -> dict[str, str]:
    """Return the same where some of these runs are of a task."""
    return await of_tasks(call) if any(run.task for run in runs) else {}
