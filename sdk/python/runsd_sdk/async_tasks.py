"""``client.tasks``: ``Tasks`` with await."""

import builtins
from typing import TYPE_CHECKING, Unpack

from runsd_sdk import calls
from runsd_sdk.async_handle import AsyncRunHandle
from runsd_sdk.fields import SpecFields
from runsd_sdk.task import CatchUp, CatchUpName, NewHook, Overlap, OverlapName, Task, TaskVersion

if TYPE_CHECKING:
    from runsd_sdk.aio import AsyncDriver
    from runsd_sdk.async_client import AsyncRunsClient


class AsyncTasks:
    """The tasks of the client's project. A task is named by its id or its name."""

    def __init__(self, client: "AsyncRunsClient", driver: "AsyncDriver") -> None:
        self._client = client
        self._driver = driver

    async def create(
        self,
        task: str,
        /,
        *,
        from_run: str | None = None,
        schedule: calls.Schedule | None = None,
        webhook: bool = False,
        idempotency_key: str | None = None,
        **spec: Unpack[SpecFields],
    ) -> Task:
        """Save a run under a name: ``create("nightly", image="alpine", command=["true"])``.

        ``from_run`` is the id of a run that is to be repeated so, in place of its fields; ``schedule`` is
        ``{"cron": "0 2 * * *", "timezone": "Europe/Berlin"}``. With ``webhook`` it has an address, told by
        the ``webhook.path`` of the answer and never again.
        """
        call = calls.create_task(
            task,
            spec,
            from_run=from_run,
            schedule=schedule,
            webhook=webhook,
            idempotency_key=idempotency_key,
        )
        return await self._driver.ask(call)

    async def list(self) -> builtins.list[Task]:
        """Return all tasks, by name."""
        return (await self._driver.ask(calls.list_tasks())).data

    async def get(self, task: str) -> Task:
        """Return one task."""
        return await self._driver.ask(calls.get_task(task))

    async def versions(self, task: str) -> builtins.list[TaskVersion]:
        """Return the versions of a task, newest first."""
        return (await self._driver.ask(calls.task_versions(task))).data

    async def edit(
        self,
        task: str,
        /,
        *,
        rename: str | None = None,
        from_run: str | None = None,
        version: int | None = None,
        **changes: Unpack[SpecFields],
    ) -> Task:
        """Change a task: its name, some fields (None removes one), or all of them to those of a run.

        With ``version``, Conflict if the task has another one by now.
        """
        call = calls.change_task(task, changes, rename=rename, from_run=from_run, version=version)
        return await self._driver.ask(call)

    async def schedule(
        self,
        task: str,
        cron: str | None = None,
        *,
        timezone: str | None = None,
        overlap: Overlap | OverlapName | None = None,
        catch_up: CatchUp | CatchUpName | None = None,
    ) -> Task:
        """Start a task by the clock: ``schedule("nightly", "0 2 * * *", timezone="Europe/Berlin")``.

        What is not said stays as it is: at first UTC, ``overlap="skip"``, ``catch_up="none"``.
        """
        said = {"cron": cron, "timezone": timezone, "overlap": overlap, "catch_up": catch_up}
        given = {name: str(value) for name, value in said.items() if value is not None}
        return await self._driver.ask(calls.schedule_task(task, given))

    async def unschedule(self, task: str) -> Task:
        """Start a task by the clock no more."""
        return await self._driver.ask(calls.schedule_task(task, None))

    async def pause(self, task: str) -> Task:
        """Let a schedule rest: what comes meanwhile is left out."""
        return await self._driver.ask(calls.schedule_task(task, {"paused": True}))

    async def resume(self, task: str) -> Task:
        """Let a schedule go on, from now."""
        return await self._driver.ask(calls.schedule_task(task, {"paused": False}))

    async def open_hook(self, task: str, *, secret: str | None = None) -> NewHook:
        """Give a task an address at which anybody who knows it starts it; the one before ends.

        With ``secret``, the name of one of the project's, only what is signed with that is taken. The token
        is told this once.
        """
        return await self._driver.ask(calls.open_hook(task, secret=secret))

    async def close_hook(self, task: str) -> None:
        """Take a task's address away."""
        await self._driver.ask(calls.close_hook(task))

    async def delete(self, task: str) -> None:
        """Forget a task. Its runs stay."""
        await self._driver.ask(calls.delete_task(task))

    async def trigger(
        self, task: str, /, *, idempotency_key: str | None = None, **overrides: Unpack[SpecFields]
    ) -> AsyncRunHandle:
        """Submit a run of a task, with some fields changed for this run; None removes a field."""
        call = calls.trigger(task, overrides, idempotency_key=idempotency_key)
        return AsyncRunHandle(self._client, await self._driver.ask(call))
