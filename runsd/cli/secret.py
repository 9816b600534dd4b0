"""``runs secret``: values that runs get and nobody sees again."""

import re
import sys
from collections.abc import Iterator
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag
from runsd.cli.select import complete_secret

app = typer.Typer(
    help="Keep secrets: values that runs get and nobody sees again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_ENV_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*?)\s*", re.ASCII)
_QUOTED = re.compile(r"""'(?P<as_it_is>[^']*)'|"(?P<escaped>(?:[^"\\]|\\.)*)\"""")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@app.command("set")
def set_secret(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Letters, digits and '_', as in DB_URL.")
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F", help="The value, every byte of it.")
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(metavar="F", help="A .env file, all of whose variables become secrets.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make a secret, or give it another value for later runs.

    The value is asked for without showing it, or read from stdin but for the newline at its end.
    """
    values = dict(_values(name, file, env_file))
    with session.connected() as client:
        from runsd.cli import output

        made = []
        for each, value in values.items():
            made.append(client.secrets.set(each, value))
            if not json:
                output.line(each)
        if json:
            output.document(made if env_file else made[0])


@app.command("ls")
def list_secrets(*, json: JsonFlag = False) -> None:
    """List the secrets, without their values."""
    with session.connected() as client:
        from runsd.cli import output

        secrets = client.secrets.list()
        if json:
            output.document(secrets)
        else:
            rows = [(one.name, output.ago(one.created_at), output.ago(one.updated_at)) for one in secrets]
            output.table(("NAME", "CREATED", "CHANGED"), rows)


@app.command()
def rm(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Names.", autocompletion=complete_secret)
    ],
    *,
    json: JsonFlag = False,
) -> None:
    """Delete secrets. Runs that were submitted with them keep what they were given."""
    with session.connected() as client:
        from runsd.cli import output

        for name in names:
            client.secrets.delete(name)
            if not json:
                output.line(name)
        if json:
            output.document(names)


def _values(name: str | None, file: Path | None, env_file: Path | None) -> Iterator[tuple[str, str]]:
    if (name is None) == (env_file is None) or (file and env_file):
        raise typer.BadParameter("name one secret, or give --env-file F alone", param_hint="NAME")
    if env_file is not None:
        yield from _of_env_file(env_file)
    elif name is not None:
        yield name, _of_file(file, "--file") if file else _asked(name)


def _asked(name: str) -> str:
    if sys.stdin.isatty():
        return getpass(f"value of {name}: ")
    try:
        return re.sub(r"\r?\n\Z", "", sys.stdin.buffer.read().decode())
    except UnicodeDecodeError as error:
        raise typer.BadParameter("stdin is no text; encode it, as by base64", param_hint="NAME") from error


def _of_file(file: Path, option: str) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}", param_hint=option) from error
    except UnicodeDecodeError as error:
        said = f"{file} is no text; encode it, as by base64"
        raise typer.BadParameter(said, param_hint=option) from error


def _of_env_file(file: Path) -> Iterator[tuple[str, str]]:
    """Read a .env file as the programs do that load one; what cannot be read is not repeated."""
    for number, line in enumerate(_of_file(file, "--env-file").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _ENV_LINE.fullmatch(line)
        value = None if found is None else _unquoted(found["value"])
        if found is None or value is None:
            said = f"line {number} of {file} is not K=V on one line"
            raise typer.BadParameter(said, param_hint="--env-file")
        yield found["name"], value


def _unquoted(text: str) -> str | None:
    if text[:1] not in ("'", '"'):
        return text.split(" #")[0].rstrip()
    found = _QUOTED.fullmatch(re.sub(r"""(?<=['"])\s+#.*\Z""", "", text))
    if found is None:
        return None
    if found["as_it_is"] is not None:
        return found["as_it_is"]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found["escaped"])
