"""The command ``runsd``: the daemon, its doctor, its backups, the key of secrets and its own description."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from runsd import __version__, config, logging, places
from runsd.cli import backup, secrets
from runsd.errors import RunsdError

app = typer.Typer(
    name="runsd",
    help="Run containers to completion on this host, and tell the exact truth about them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Config = Annotated[Path | None, typer.Option("--config", help="The TOML file of settings.")]
_DockerHost = Annotated[str | None, typer.Option("--docker-host", help="The Docker Engine's address.")]
_Listen = Annotated[
    str | None, typer.Option("--listen", metavar="HOST:PORT", help="Listen there too, for clients with keys.")
]
_Socket = Annotated[Path | None, typer.Option("--socket", help="Where clients connect.")]
_DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where state and logs are kept.")]


@app.command()
def serve(
    config_file: _Config = None,
    socket: _Socket = None,
    data_dir: _DataDir = None,
    docker_host: _DockerHost = None,
    listen: _Listen = None,
    *,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show every setting with its source, and leave.")
    ] = False,
) -> None:
    """Run the daemon until it is told to stop. Containers run on when it does."""
    configuration = _load(config_file, {"engine.host": docker_host, "tcp.listen": listen})
    if print_config:
        _print(configuration)
        return
    from runsd import daemon  # only here: the other commands need not wait for it

    logging.configure()
    where = daemon.Places(socket or places.default_socket(), data_dir or places.default_data_dir())
    if failures := carried_out(daemon.serve(configuration.settings, where)):
        _fail("; ".join(failures))


@app.command()
def doctor(
    config_file: _Config = None,
    socket: _Socket = None,
    data_dir: _DataDir = None,
    docker_host: _DockerHost = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look at this host and say how to mend what would keep runs from working. Exits 1 on a failure."""
    from runsd.doctor import report  # only here: the other commands need not wait for it

    findings = report.findings(
        config_file or places.default_config(),
        socket=socket or places.default_socket(),
        data_dir=data_dir or places.default_data_dir(),
        docker_host=docker_host,
    )
    sys.stdout.write(report.as_json(findings) if as_json else report.as_text(findings))
    raise typer.Exit(1 if report.failed(findings) else 0)


app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(secrets.app, name="secrets")


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI 3.1 document."""
    from runsd.api.openapi import document

    sys.stdout.write(json.dumps(document(), indent=2) + "\n")


@app.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"runsd {__version__}\n")


def main() -> None:
    """Run the command line."""
    app()


def carried_out(work: Coroutine[Any, Any, None]) -> list[str]:
    """Run the daemon's work to its end; return a sentence for each trouble of the host that ended it.

    Anything else is raised: it is a bug, and its traceback is wanted.
    """
    sentences: list[str] = []
    try:
        asyncio.run(work)
    except* (RunsdError, OSError) as failures:
        # Nothing may be raised here: it would be one more member of the group.
        sentences = list(dict.fromkeys(_sentences(failures)))
    return sentences


def _sentences(failure: BaseException) -> Iterator[str]:
    if isinstance(failure, BaseExceptionGroup):
        for each in failure.exceptions:
            yield from _sentences(each)
    else:
        yield str(failure) if isinstance(failure, RunsdError) else f"cannot serve: {failure}"


def _load(config_file: Path | None, flags: Mapping[str, str | None]) -> config.Configuration:
    try:
        return config.load(config_file or places.default_config(), flags=flags)
    except RunsdError as failure:
        _fail(str(failure))


def _print(configuration: config.Configuration) -> None:
    for setting in configuration:
        shown, default = json.dumps(setting.value, default=str), json.dumps(setting.default, default=str)
        sys.stdout.write(f"{setting.name} = {shown}  # {setting.source}; default {default}\n")


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"runsd: {message}\n")
    raise typer.Exit(1)
