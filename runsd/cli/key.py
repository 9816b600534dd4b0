"""``runs key``: who may use a project over TCP."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import durations, session
from runsd.cli.options import JsonFlag

if TYPE_CHECKING:
    from runsd_sdk import Key

app = typer.Typer(
    help="Keep API keys: they open a project (RUNSD_PROJECT, or default) over TCP.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For whom or what it is.")],
    *,
    access: Annotated[str, typer.Option(metavar="read|write|admin", help="What it is for.")] = "write",
    expires: Annotated[
        str | None, typer.Option(metavar="DUR", help="How long it lasts, such as 90d; for ever without.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make a key and print it: nobody is told it again."""
    lasts_s = None if expires is None else _seconds(expires)
    with session.connected() as client:
        from runsd.cli import output

        key = client.keys.create(name, access=access, expires_in_seconds=lasts_s)
        if json:
            output.document(key)
        else:
            output.line(key.token)
            session.say(f"{key.id} of project {key.project}, for {key.access}; it is not shown again")


@app.command("ls")
def list_keys(*, json: JsonFlag = False) -> None:
    """List the keys of the project."""
    with session.connected() as client:
        from runsd.cli import output

        keys = client.keys.list()
        if json:
            output.document(keys)
        else:
            output.table(("ID", "NAME", "ACCESS", "LAST USED", "EXPIRES"), [_row(key) for key in keys])


@app.command()
def rm(
    keys: Annotated[list[str], typer.Argument(metavar="KEY…", help="Ids.")], *, json: JsonFlag = False
) -> None:
    """Delete keys: they open nothing from then on."""
    with session.connected() as client:
        from runsd.cli import output

        for key in keys:
            client.keys.delete(key)
            if not json:
                output.line(key)
        if json:
            output.document(keys)


def _row(key: "Key") -> tuple[str, ...]:
    from runsd.cli import output

    used = output.ago(key.last_used_at) if key.last_used_at else "never"
    return key.id, key.name, str(key.access), used, output.local(key.expires_at)


def _seconds(text: str) -> int:
    try:
        return durations.whole_seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
