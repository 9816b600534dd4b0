"""The command ``runs``: what people type. Commands load the SDK only when they need it."""

import sys
from typing import NoReturn

import typer

from runsd.cli import (
    audit,
    browse,
    control,
    events,
    key,
    logs,
    map,
    project,
    ps,
    py,
    run,
    schedule,
    secret,
    show,
    stats,
    task,
    usage,
    volume,
    wait,
    webhook,
)
from runsd.cli.program import ProgramCommand

USAGE = 2
USAGE_OF_RUN = 125  # as docker: 2 could be the program's own
INTERRUPTED = 130

app = typer.Typer(
    name="runs",
    help="Run containers to completion, and read what came of them.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts three times as fast
    pretty_exceptions_enable=False,
)
# A program's own options belong to it: what follows IMAGE is not ours.
_PROGRAM = {"allow_interspersed_args": False}
app.command(cls=ProgramCommand, context_settings=_PROGRAM)(run.run)
app.command()(py.py)
app.command(cls=ProgramCommand, context_settings=_PROGRAM)(map.map)
app.command()(ps.ps)
app.command()(show.show)
app.command()(show.why)
app.command()(wait.wait)
app.command()(logs.logs)
app.command()(control.cancel)
app.command()(run.rerun)
app.command()(control.extend)
app.command()(control.rm)
app.command()(show.result)
app.command()(show.problems)
app.command()(task.save)
app.add_typer(task.app, name="task")
app.add_typer(schedule.app, name="schedule")
app.command()(stats.stats)
app.command()(events.events)
app.command()(usage.usage)
app.command()(audit.audit)
app.command(name="open")(browse.browse)
app.add_typer(volume.app, name="volume")
app.add_typer(webhook.app, name="webhook")
app.add_typer(secret.app, name="secret")
app.add_typer(project.app, name="project")
app.add_typer(key.app, name="key")


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(execute(sys.argv[1:]))


def execute(words: list[str]) -> int:
    """Run one command; return its exit code."""
    try:
        code = app(words, prog_name="runs", standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except typer.TyperException as error:
        hint = "; the program's own stand behind --" if words[:1] == ["py"] and _is_option(error) else ""
        sys.stderr.write(f"runs: {error.format_message()}{hint}\n")
        return USAGE_OF_RUN if words[:1] in (["run"], ["py"], ["wait"]) else USAGE
    return code if isinstance(code, int) else 0


def _is_option(error: typer.TyperException) -> bool:
    return type(error).__name__ == "NoSuchOption"
