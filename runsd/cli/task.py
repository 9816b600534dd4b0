"""``runs save`` and ``runs task``: runs that are saved under a name, and started again by it."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import schedule, session
from runsd.cli.options import JsonFlag, RunId, SpecOptions, command_line, describes_run
from runsd.cli.program import ProgramCommand
from runsd.cli.run import Command, Detach, File, Image, carry_out, described
from runsd.cli.select import complete_secret, complete_task, run_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runsd_sdk import RunHandle, RunsClient, Task
    from runsd_sdk.spec import RunSpec

app = typer.Typer(
    help="Keep tasks: runs that are saved under a name.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(schedule.app, name="schedule")
TaskName = Annotated[
    str, typer.Argument(metavar="TASK", help="An id or a name.", autocompletion=complete_task)
]
AsName = Annotated[
    str, typer.Option("--as", metavar="NAME", help="The task's name: letters, digits, '.', '_', '-'.")
]
FromRun = Annotated[
    str | None, typer.Option(metavar="ID", help="Take the spec of this run.")
]  # fmt: skip
HookSecret = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Take only what is signed with this secret of the project.",
        autocompletion=complete_secret,
    ),
]
OtherImage = Annotated[str | None, typer.Option("--image", metavar="IMAGE", help="Another image.")]
_PROGRAM = {"allow_interspersed_args": False}


def save(
    id: RunId,
    *,
    as_name: AsName,
    json: JsonFlag = False,
) -> None:
    """Save what a run was as a task, to start it again by name."""
    with session.connected() as client:
        _print(client.tasks.create(as_name, from_run=run_id(client, id)), json=json)


@app.command(cls=ProgramCommand, context_settings=_PROGRAM)
@describes_run
def create(
    image: Image = None,
    command: Command = None,
    *,
    as_name: AsName,
    options: SpecOptions,
    file: File = None,
    json: JsonFlag = False,
) -> None:
    """Make a task of what `runs run` would run; print its id."""
    fields = described(image, command, options, file)
    with session.connected() as client:
        _print(client.tasks.create(as_name, idempotency_key=options.idempotency_key, **fields), json=json)


@app.command("ls")
def list_tasks(*, json: JsonFlag = False) -> None:
    """List the tasks."""
    with session.connected() as client:
        from runsd.cli import output

        tasks = client.tasks.list()
        if json:
            output.document(tasks)
        else:
            rows = [
                (t.id, t.name, str(t.version), _what(t.spec, t.problem), output.ago(t.updated_at))
                for t in tasks
            ]
            output.table(("ID", "NAME", "VERSION", "IMAGE", "CHANGED"), rows)


@app.command()
def show(task: TaskName, *, json: JsonFlag = False) -> None:
    """Show one task."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.tasks.get(task)
        if json:
            output.document(found)
        else:
            output.fields(_described(found))


@app.command()
def versions(task: TaskName, *, json: JsonFlag = False) -> None:
    """List the versions that a task has had, newest first."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.tasks.versions(task)
        if json:
            output.document(found)
        else:
            rows = [(str(v.version), output.local(v.created_at), _what(v.spec, v.problem)) for v in found]
            output.table(("VERSION", "SINCE", "IMAGE"), rows)


@app.command()
@describes_run
def run(
    task: TaskName,
    command: Command = None,
    *,
    options: SpecOptions,
    image: OtherImage = None,
    detach: Detach = False,
    file: File = None,
    json: JsonFlag = False,
) -> None:
    """Run a task, with changes if you like, and stream its output.

    Exits as `runs run` does.
    """
    fields = described(image, None, options, file, image_needed=False)

    def submit(client: "RunsClient") -> "RunHandle":
        if words := command_line(command):
            fields[_words(client.tasks.get(task))] = words
        return client.tasks.trigger(task, idempotency_key=options.idempotency_key, **fields)

    carry_out(submit, detach=detach, json=json)


@app.command()
@describes_run
def edit(
    task: TaskName,
    command: Command = None,
    *,
    options: SpecOptions,
    image: OtherImage = None,
    from_run: FromRun = None,
    rename: Annotated[str | None, typer.Option(metavar="NAME", help="Another name for the task.")] = None,
    file: File = None,
    json: JsonFlag = False,
) -> None:
    """Change a task; print its new version. Runs that exist stay as they are."""
    fields = described(image, None, options, file, image_needed=False)
    with session.connected() as client:
        from runsd.cli import output

        if words := command_line(command):
            fields[_words(client.tasks.get(task))] = words
        if not fields and from_run is None and rename is None:
            raise typer.BadParameter("nothing to change; give options, --from-run or --rename")
        taken = None if from_run is None else run_id(client, from_run)
        changed = client.tasks.edit(task, rename=rename, from_run=taken, **fields)
        if json:
            output.document(changed)
        else:
            output.line(f"{changed.name} version {changed.version}")


@app.command()
def hook(task: TaskName, *, secret: HookSecret = None, json: JsonFlag = False) -> None:
    """Give a task an address for webhooks, and print it, this once.

    The address that it had before ends.
    """
    with session.connected() as client:
        from runsd.cli import output

        made = client.tasks.open_hook(task, secret=secret)
        if json:
            output.document(made)
        else:
            output.line(made.path)


@app.command()
def unhook(task: TaskName, *, json: JsonFlag = False) -> None:
    """Take a task's address for webhooks away."""
    with session.connected() as client:
        from runsd.cli import output

        client.tasks.close_hook(task)
        if json:
            output.document(client.tasks.get(task))
        else:
            output.line(task)


@app.command()
def rm(
    tasks: Annotated[
        list[str],
        typer.Argument(metavar="TASK…", help="Ids or names.", autocompletion=complete_task),
    ],
    *,
    json: JsonFlag = False,
) -> None:
    """Forget tasks; their runs stay."""
    with session.connected() as client:
        from runsd.cli import output

        for task in tasks:
            client.tasks.delete(task)
            if not json:
                output.line(task)
        if json:
            output.document(tasks)


def _what(spec: "RunSpec", problem: str | None) -> str:
    return spec.reference if problem is None else "(refused)"


def _words(task: "Task") -> str:
    """Return which field the words of a command line replace."""
    return "command" if task.spec.command else "args"


def _print(task: "Task", *, json: bool) -> None:
    from runsd.cli import output

    if json:
        output.document(task)
    else:
        output.line(task.id)


def _described(task: "Task") -> "Iterator[tuple[str, str]]":
    import yaml

    from runsd.cli import output

    yield "id", task.id
    yield "name", task.name
    yield "version", str(task.version)
    yield "created", output.local(task.created_at)
    yield "changed", output.local(task.updated_at)
    if task.problem is not None:
        yield "problem", task.problem
    if task.schedule is not None:
        yield from schedule.described(task.schedule)
    if task.webhook is not None:
        signed = f", signed with {task.webhook.secret}" if task.webhook.secret else ", unsigned"
        yield "webhook", f"since {output.local(task.webhook.created_at)}{signed}"
        yield "last called", output.local(task.webhook.last_delivery_at)
    said = task.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    yield "runs", yaml.safe_dump(said, sort_keys=False, allow_unicode=True).rstrip()
