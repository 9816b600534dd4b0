"""``client.tasks``: runs that are saved under a name, to be started again and again."""

import builtins
from typing import TYPE_CHECKING, Unpack

from runsd_sdk import calls
from runsd_sdk.fields import SpecFields
from runsd_sdk.handle import RunHandle
from runsd_sdk.task import CatchUp, CatchUpName, NewHook, Overlap, OverlapName, Task, TaskVersion

if TYPE_CHECKING:
    from runsd_sdk.client import RunsClient
    from runsd_sdk.sync import SyncDriver


class Tasks:
    """The tasks of the client's project. A task is named by its id or its name."""

    def __init__(self, client: "RunsClient", driver: "SyncDriver") -> None:
        self._client = client
        self._driver = driver

    def create(
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
        return self._driver.ask(call)

    def list(self) -> builtins.list[Task]:
        """Return all tasks, by name."""
        return self._driver.ask(calls.list_tasks()).data

    def get(self, task: str) -> Task:
        """Return one task."""
        return self._driver.ask(calls.get_task(task))

    def versions(self, task: str) -> builtins.list[TaskVersion]:
        """Return the versions of a task, newest first."""
        return self._driver.ask(calls.task_versions(task)).data

    def edit(
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
        return self._driver.ask(call)

    def schedule(
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
        return self._driver.ask(calls.schedule_task(task, given))

    def unschedule(self, task: str) -> Task:
        """Start a task by the clock no more."""
        return self._driver.ask(calls.schedule_task(task, None))

    def pause(self, task: str) -> Task:
        """Let a schedule rest: what comes meanwhile is left out."""
        return self._driver.ask(calls.schedule_task(task, {"paused": True}))

    def resume(self, task: str) -> Task:
        """Let a schedule go on, from now."""
        return self._driver.ask(calls.schedule_task(task, {"paused": False}))

    def open_hook(self, task: str, *, secret: str | None = None) -> NewHook:
        """Give a task an address at which anybody who knows it starts it; the one before ends.

        With ``secret``, the name of one of the project's, only what is signed with that is taken. The token
        is told this once.
        """
        return self._driver.ask(calls.open_hook(task, secret=secret))

    def close_hook(self, task: str) -> None:
        """Take a task's address away."""
        self._driver.ask(calls.close_hook(task))

    def delete(self, task: str) -> None:
        """Forget a task. Its runs stay."""
        self._driver.ask(calls.delete_task(task))

    def trigger(
        self, task: str, /, *, idempotency_key: str | None = None, **overrides: Unpack[SpecFields]
    ) -> RunHandle:
        """Submit a run of a task, with some fields changed for this run; None removes a field."""
        call = calls.trigger(task, overrides, idempotency_key=idempotency_key)
        return RunHandle(self._client, self._driver.ask(call))
