"""``runs schedule``: tasks that are started by the clock."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag
from runsd.cli.select import complete_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runsd_sdk import Schedule, Task

app = typer.Typer(help="Start tasks by the clock.", no_args_is_help=True, rich_markup_mode=None)
TaskName = Annotated[
    str, typer.Argument(metavar="TASK", help="An id or a name.", autocompletion=complete_task)
]
Cron = Annotated[
    str | None,
    typer.Argument(metavar="CRON", help="'minute hour day month weekday', or @hourly, @daily, @weekly, …"),
]
Zone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="As in Europe/Berlin; UTC, if you never said another.")
]
OverlapOption = Annotated[
    str | None,
    typer.Option(metavar="O", help="While a run is not over: skip (the default), queue, replace or allow."),
]
CatchUpOption = Annotated[
    str | None, typer.Option(metavar="C", help="After an outage: none (the default), or last.")
]


@app.command("set")
def set_schedule(
    task: TaskName,
    cron: Cron = None,
    *,
    timezone: Zone = None,
    overlap: OverlapOption = None,
    catch_up: CatchUpOption = None,
    json: JsonFlag = False,
) -> None:
    """Start a task by the clock, or change when; what is not said stays. Prints the next times."""
    said = {"cron": cron, "timezone": timezone, "overlap": overlap, "catch_up": catch_up}
    given = {name: value for name, value in said.items() if value is not None}
    if not given:
        raise typer.BadParameter("when? write minute hour day month weekday", param_hint="CRON")
    with session.connected() as client:
        _print(client.tasks.schedule(task, **given), json=json)  # type: ignore[arg-type]  # the daemon says what it takes


@app.command("ls")
def list_schedules(*, json: JsonFlag = False) -> None:
    """List the tasks that have a schedule."""
    with session.connected() as client:
        from runsd.cli import output

        tasks = [task for task in client.tasks.list() if task.schedule is not None]
        if json:
            output.document(tasks)
        else:
            rows = [_row(task.name, task.schedule) for task in tasks if task.schedule]
            output.table(("TASK", "CRON", "ZONE", "NEXT", "LAST"), rows)


@app.command()
def show(task: TaskName, *, json: JsonFlag = False) -> None:
    """Show when a task is started next, and what came of the last times."""
    with session.connected() as client:
        _print(client.tasks.get(task), json=json)


@app.command()
def pause(task: TaskName, *, json: JsonFlag = False) -> None:
    """Let a schedule rest; what comes meanwhile is left out."""
    with session.connected() as client:
        _print(client.tasks.pause(task), json=json)


@app.command()
def resume(task: TaskName, *, json: JsonFlag = False) -> None:
    """Let a schedule go on, from now."""
    with session.connected() as client:
        _print(client.tasks.resume(task), json=json)


@app.command()
def rm(task: TaskName, *, json: JsonFlag = False) -> None:
    """Start a task by the clock no more; the task stays."""
    with session.connected() as client:
        from runsd.cli import output

        left = client.tasks.unschedule(task)
        if json:
            output.document(left)
        else:
            output.line(left.name)


def described(schedule: "Schedule") -> "Iterator[tuple[str, str]]":
    """Say a schedule as names and values."""
    from runsd.cli import output

    yield "schedule", f"{schedule.cron} ({schedule.timezone})" + (", paused" if schedule.paused else "")
    yield "overlap", schedule.overlap
    yield "catch up", schedule.catch_up
    yield "next", "\n".join(output.local(at) for at in schedule.next)
    yield (
        "last",
        "\n".join(
            f"{output.local(each.at)} {each.outcome} {each.run_id or each.message or ''}".rstrip()
            for each in schedule.recent
        ),
    )


def _print(task: "Task", *, json: bool) -> None:
    from runsd.cli import output

    if json:
        output.document(task)
    elif task.schedule is None:
        session.say(f"{task.name} has no schedule; give it one with runs schedule set {task.name} CRON")
    else:
        output.fields([("task", task.name), *described(task.schedule)])


def _row(name: str, schedule: "Schedule") -> tuple[str, ...]:
    from runsd.cli import output

    comes = "paused" if schedule.paused else output.local(schedule.next[0] if schedule.next else None)
    last = schedule.recent[0].outcome if schedule.recent else ""
    return name, schedule.cron, schedule.timezone, comes, last
